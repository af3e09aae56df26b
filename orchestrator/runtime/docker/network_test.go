//nolint:staticcheck // SA1019: testcontainers-go has no other way to make a network through a provider that we can configure.
package docker

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"
	"github.com/testcontainers/testcontainers-go"

	"github.com/netsplit/netsplit/ci/must"
)

func TestPrefixFor(t *testing.T) {
	for _, c := range []struct{ n, bits int }{{0, 24}, {1, 24}, {245, 24}, {246, 23}, {501, 23}, {502, 22}, {65525, 16}} {
		got, err := prefixFor(c.n)
		if err != nil || got != c.bits {
			t.Errorf("prefixFor(%d) = %d, %v, want %d", c.n, got, err, c.bits)
			continue
		}
		// The last node's address is in the subnet, and not its broadcast address.
		p := netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), got)
		if c.n > 0 && !p.Contains(offset(p.Addr(), uint32(firstHost+c.n))) {
			t.Errorf("%d nodes do not fit into /%d", c.n, got)
		}
	}
	must.Fail(t, "")(prefixFor(65526))
}

// first returns the first candidates, in order.
func first(n int, testnet string, bits int, taken ...netip.Prefix) (out []netip.Prefix) {
	for p := range subnets(testnet, bits, taken) {
		if out = append(out, p); len(out) == n {
			break
		}
	}
	return out
}

func TestSubnets_SkipTaken(t *testing.T) {
	p := first(2, "a", 24)
	if p[0].Bits() != 24 || p[0].Masked() != p[0] || !pools[0].Contains(p[0].Addr()) || p[1] == p[0] {
		t.Fatalf("got %v", p)
	}
	if again := first(1, "a", 24, p[0]); again[0] != p[1] {
		t.Errorf("with %v taken: %v, want %v", p[0], again, p[1])
	}
	inside := netip.PrefixFrom(offset(p[0].Addr(), 200), 32)
	if again := first(1, "a", 24, inside); again[0] != p[1] {
		t.Errorf("with a route to %v: %v, want %v", inside, again, p[1])
	}
	if other := first(1, "b", 24); other[0] == p[0] {
		t.Error("two testnets begin at one place")
	}
	// A private network that is routed as a whole leaves the other pools.
	if p := first(1, "a", 24, pools[0]); !pools[1].Contains(p[0].Addr()) {
		t.Errorf("got %v, want one of %v", p, pools[1])
	}
	if p := first(1, "a", 16, pools[0], pools[1]); len(p) != 1 || p[0] != pools[2] {
		t.Errorf("got %v, want %v", p, pools[2])
	}
	if p := first(1, "a", 24, pools...); len(p) != 0 {
		t.Errorf("got %v where nothing is free", p)
	}
	// Beyond the private ranges there are others that no public host has.
	if p := first(1, "a", 24, pools[:3]...); len(p) != 1 || !pools[3].Contains(p[0].Addr()) {
		t.Errorf("got %v, want one of %v", p, pools[3])
	}
	if n := len(first(1<<30, "a", 24)); n != 1<<16+1<<12+1<<8+1<<14+1<<9 {
		t.Errorf("%d candidates", n)
	}
}

// fakeNetworks refuses the first subnets.
type fakeNetworks struct {
	refuse int
	err    error
	taken  []string
	made   []testcontainers.NetworkRequest
}

func (f *fakeNetworks) CreateNetwork(_ context.Context, req testcontainers.NetworkRequest) (testcontainers.Network, error) {
	f.made = append(f.made, req)
	if len(f.made) <= f.refuse {
		return nil, f.err
	}
	return nil, nil
}

func (f *fakeNetworks) NetworkList(context.Context, network.ListOptions) ([]network.Summary, error) {
	var out []network.Summary
	for _, s := range f.taken {
		out = append(out, network.Summary{IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: s}}}})
	}
	return out, nil
}

func TestCreateNetwork_TriesNextSubnet(t *testing.T) {
	f := &fakeNetworks{refuse: 2, err: errors.New("Pool overlaps with other one on this address space")}
	got := must.Get(createNetwork(t.Context(), f, f, networkOptions{testnet: "a", nodes: 3, labels: map[string]string{"k": "v"}}))(t)
	last := f.made[2]
	if len(f.made) != 3 || last.IPAM.Config[0].Subnet != got.String() || f.made[0].IPAM.Config[0].Subnet == got.String() {
		t.Errorf("got %v after %v", got, f.made)
	}
	if !last.Internal || last.Name != "netsplit-a" || last.Labels["k"] != "v" || last.IPAM.Config[0].Gateway != offset(got.Addr(), 1).String() {
		t.Errorf("request %+v", last)
	}
}

func TestCreateNetwork_Errors(t *testing.T) {
	f := &fakeNetworks{refuse: 1, err: errors.New("no more bridges")}
	if _, err := createNetwork(t.Context(), f, f, networkOptions{testnet: "a", nodes: 3}); err == nil || !strings.Contains(err.Error(), "no more bridges") || len(f.made) != 1 {
		t.Errorf("got %v after %d tries", err, len(f.made))
	}
	f = &fakeNetworks{taken: []string{
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fd00::/64", "nonsense",
	}}
	must.Fail(t, "no free subnet")(createNetwork(t.Context(), f, f, networkOptions{testnet: "a", nodes: 3}))
	must.Fail(t, "do not fit")(createNetwork(t.Context(), f, f, networkOptions{testnet: "a", nodes: 1e6}))
}

func TestBridgeName_FitsKernel(t *testing.T) {
	a, b := bridgeName("a-testnet-with-a-name-of-forty-bytes-aaaa"), bridgeName("a-testnet-with-a-name-of-forty-bytes-aaab")
	if len(a) > 15 || a == b {
		t.Errorf("%q, %q", a, b)
	}
}

func TestCreateNetwork_GivenSubnet(t *testing.T) {
	subnet := netip.MustParsePrefix("10.99.0.0/24")
	for _, c := range []struct {
		name, subnet string
		nodes        int
		taken        []string
		fail         string
	}{
		{"free", "10.99.0.0/24", 3, []string{"10.98.0.0/24"}, ""},
		{"larger than needed", "10.0.0.0/12", 3, nil, ""},
		{"just large enough", "10.99.0.0/28", 5, nil, ""},
		{"too small", "10.99.0.0/28", 6, nil, "has room for 5 nodes, the testnet has 6"},
		{"one address", "10.99.0.1/32", 1, nil, "has room for 0 nodes"},
		{"another network's", "10.99.0.0/24", 3, []string{"10.0.0.0/8"}, "overlaps with 10.0.0.0/8"},
		{"the host's own", "127.0.0.0/24", 3, nil, "overlaps with 127.0.0.0/8"},
	} {
		f := &fakeNetworks{taken: c.taken}
		got, err := createNetwork(t.Context(), f, f, networkOptions{testnet: "a", nodes: c.nodes, subnet: netip.MustParsePrefix(c.subnet)})
		if c.fail == "" && (err != nil || got.String() != c.subnet || len(f.made) != 1) || c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail)) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	f := &fakeNetworks{refuse: 2, err: errors.New("Pool overlaps with other one on this address space")}
	must.Fail(t, "overlaps")(createNetwork(t.Context(), f, f, networkOptions{testnet: "a", nodes: 3, subnet: subnet}))
}

func TestParseSubnet(t *testing.T) {
	for _, c := range []struct{ text, fail string }{
		{"10.99.0.0/16", ""}, {"100.64.0.0/24", ""},
		{"10.99.0.1/16", "the subnet is 10.99.0.0/16"}, {"fd00::/64", "IPv4"}, {"10.99.0.0", "no subnet"}, {"", "no subnet"},
		{"127.0.0.0/8", "cannot have"}, {"224.0.0.0/8", "cannot have"}, {"0.0.0.0/8", "cannot have"},
	} {
		_, err := ParseSubnet(c.text)
		if (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}
