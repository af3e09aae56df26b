package testnets

import (
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

var starterImages = map[string]chainspec.ImageSpec{
	"go":         {Go: "example.org/chain/cmd/node@v1.2.3"},
	"binary":     {Binary: "./a \"b\"/node"},
	"ref":        {Ref: "example/node:v1"},
	"dockerfile": {Dockerfile: "../node/Dockerfile"},
}

func TestStarterChain(t *testing.T) {
	for _, family := range StarterFamilies {
		for _, kind := range StarterRPCs {
			for name, image := range starterImages {
				src, err := StarterChain(Starter{Name: "mychain", Family: family, RPC: kind, Image: image})
				if err != nil {
					t.Fatalf("%s, %s, %s: %v", family, kind, name, err)
				}
				c, err := chainspec.Parse("mychain.yaml", src)
				if err != nil {
					t.Fatalf("%s, %s, %s: %v", family, kind, name, err)
				}
				if c.Name != "mychain" || c.Facts.Family != family || c.RPC.Kind != kind {
					t.Errorf("%s, %s, %s: it says %s, %s, %s", family, kind, name, c.Name, c.Facts.Family, c.RPC.Kind)
				}
				if (c.Act.MakeBlock != nil) != (family == chainspec.FamilyPoW) {
					t.Errorf("%s: act.make_block is %v", family, c.Act.MakeBlock)
				}
				if want := []string{image.Go, image.Ref}; c.Image.Go != want[0] || c.Image.Ref != want[1] {
					t.Errorf("image %+v, want %+v", c.Image, image)
				}
			}
		}
	}
}

// TestStarterChain_Comments finds keys at the top level without a comment before them.
func TestStarterChain_Comments(t *testing.T) {
	src, err := StarterChain(Starter{Name: "mychain", Family: chainspec.FamilyBFT, RPC: chainspec.HTTPGet, Image: starterImages["go"]})
	must.Do(t, err)
	before, commented := "", 0
	for line := range strings.Lines(string(src)) {
		key, _, isKey := strings.Cut(line, ":")
		if isKey && key != "" && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz") == "" {
			switch {
			case strings.HasPrefix(before, "#"):
				commented++
			case key != "description":
				t.Errorf("%s is not explained", key)
			}
		}
		before = line
	}
	if commented < 9 {
		t.Errorf("only %d parts are explained", commented)
	}
}

func TestStarterChain_Errors(t *testing.T) {
	for want, s := range map[string]Starter{
		"name": {Name: "My Chain", Family: chainspec.FamilyBFT, RPC: chainspec.HTTPGet, Image: starterImages["go"]},
		"go":   {Name: "mychain", Family: chainspec.FamilyBFT, RPC: chainspec.HTTPGet, Image: chainspec.ImageSpec{Go: "example.org/node"}},
	} {
		if _, err := StarterChain(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one about %q", s, err, want)
		}
	}
}
