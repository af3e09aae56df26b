package shape_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/faults/shape/nft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// addresses are n nodes n0, n1, n2 ... and their addresses.
func addresses(n int) ([]faults.NodeID, map[faults.NodeID]netip.Addr) {
	var nodes []faults.NodeID
	addrs := make(map[faults.NodeID]netip.Addr)
	for i := range n {
		id := faults.NodeID(fmt.Sprint("n", i))
		nodes = append(nodes, id)
		addrs[id] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
	}
	return nodes, addrs
}

// The expanded state of each link is that of Links.On.
func TestExpand_AgreesWithLinks(t *testing.T) {
	nodes, addrs := addresses(8)
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		some := func() (out []faults.NodeID) {
			for range r.IntN(6) {
				out = append(out, nodes[r.IntN(len(nodes))]) // may repeat
			}
			return out
		}
		var links faults.Links
		for range r.IntN(5) {
			links.Rules = append(links.Rules, faults.Rule{From: some(), To: some(), Cut: r.IntN(3) == 0,
				Shape: faults.Shape{Delay: time.Duration(r.IntN(3)), Jitter: time.Duration(r.IntN(2))}})
		}
		d := must.Get(shape.Expand(links, addrs))(t)
		found := 0
		for _, from := range nodes {
			for _, to := range nodes {
				p := must.Get(nft.PairOf(addrs[from], addrs[to]))(t)
				want := links.On(faults.Link{From: from, To: to})
				_, cut := d.Cut[p]
				got := faults.LinkState{Cut: cut, Shape: d.Shape[p]}
				if cut {
					want.Shape = faults.Shape{} // a cut link is not shaped
				}
				if got != want {
					t.Fatalf("seed %d: link %s to %s is %+v, want %+v", seed, from, to, got, want)
				}
				if got != (faults.LinkState{}) {
					found++
				}
			}
		}
		if found != len(d.Cut)+len(d.Shape) {
			t.Fatalf("seed %d: %d links cut and %d shaped, want %d in all", seed, len(d.Cut), len(d.Shape), found)
		}
	}
}

func TestExpand_Errors(t *testing.T) {
	nodes, addrs := addresses(1002)
	addrs["six"] = netip.MustParseAddr("fd00::1")
	for name, c := range map[string]struct {
		rule faults.Rule
		want string
	}{
		"unknown sender":   {faults.Rule{From: []faults.NodeID{"x"}, To: nodes[:1], Cut: true}, `no node "x"`},
		"unknown receiver": {faults.Rule{From: nodes[:1], To: []faults.NodeID{"y"}, Cut: true}, `no node "y"`},
		"negative delay":   {faults.Rule{From: nodes[:1], To: nodes[1:2], Shape: faults.Shape{Delay: -1}}, "must not be negative"},
		"negative jitter":  {faults.Rule{From: nodes[:1], To: nodes[1:2], Shape: faults.Shape{Jitter: -1}}, "must not be negative"},
		"IPv6":             {faults.Rule{From: nodes[:1], To: []faults.NodeID{"six"}, Cut: true}, "only IPv4"},
		"too many links":   {faults.Rule{From: nodes, To: nodes, Cut: true}, "more than 1000000 links"},
	} {
		_, err := shape.Expand(faults.Links{Rules: []faults.Rule{c.rule}}, addrs)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "rule 1: ") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestPairOf(t *testing.T) {
	p, err := nft.PairOf(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("::ffff:10.0.0.2"))
	if err != nil || p.String() != "10.0.0.1 > 10.0.0.2" {
		t.Errorf("pair is %v, %v", p, err)
	}
	if _, err := nft.PairOf(netip.Addr{}, netip.MustParseAddr("10.0.0.2")); err == nil {
		t.Error("a pair of no address")
	}
}
