package sim

import (
	"strings"
	"testing"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestConfigPath(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string // empty: an error
	}{
		{"node --config /a.json", "/a.json"},
		{"node -config /a.json", "/a.json"},
		{"node --config=/a.json", "/a.json"},
		{"node --verbose --config /a.json", "/a.json"},
		{"node --config", ""},
		{"node", ""},
		{"agent --config /a.json", ""},
		{"", ""},
	} {
		got, err := configPath(strings.Fields(tt.args))
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %q, %v, want %q", tt.args, got, err, tt.want)
		}
	}
}

func TestReadConfigIsStrict(t *testing.T) {
	const genesis = `"genesis": {"network": "n", "bits": 7}`
	for _, tt := range []struct{ text, err string }{
		{`{"name": "a", ` + genesis + `}`, ""},
		{`{"name": "a", "colour": 1, ` + genesis + `}`, `unknown field "colour"`},
		{`{"name": "a", "genesis": {"network": "n", "colour": 1}}`, `unknown field "colour"`},
		{`{"name": "a"}`, "genesis: missing"},
		{`{"name": 3, ` + genesis + `}`, "cannot unmarshal"},
		{`{"name": "a", ` + genesis + `} {}`, "after the end"},
		{``, "missing"},
	} {
		r := New(Options{})
		cfg, err := r.readConfig(runtime.Launch{
			Args: []string{"node", "--config", "/c"}, Files: map[string][]byte{"/c": []byte(tt.text)},
		})
		switch {
		case tt.err == "" && (err != nil || cfg.Name != "a" || cfg.Genesis.Bits != 7):
			t.Errorf("%s: %+v, %v", tt.text, cfg, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %v, want %q", tt.text, err, tt.err)
		}
	}
	if _, err := New(Options{}).readConfig(runtime.Launch{Args: []string{"node", "--config", "/c"}}); err == nil {
		t.Error("missing file: no error")
	}
}

func TestGenesisIsSharedOnlyWhereItIsTheSame(t *testing.T) {
	var g internedGenesis
	decode := func(text string) node.Config {
		t.Helper()
		cfg, err := g.decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return cfg
	}
	const alloc = `"alloc": [{"address": "0101010101010101010101010101010101010101010101010101010101010101", "amount": 1}]`
	a := decode(`{"name": "a", "genesis": {"network": "n", ` + alloc + `}}`)
	b := decode(`{"name": "b", "genesis": {"network": "n", ` + alloc + `}}`)
	c := decode(`{"name": "c", "genesis": {"network": "m", ` + alloc + `}}`)
	if &a.Genesis.Alloc[0] != &b.Genesis.Alloc[0] {
		t.Error("equal genesis is not shared")
	}
	if &a.Genesis.Alloc[0] == &c.Genesis.Alloc[0] || c.Genesis.Network != "m" {
		t.Error("another genesis is shared")
	}
}
