package behavior

import (
	"fmt"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
)

// Four adversaries of eight nodes, as in the catalog, send every variant of every kind that may get them banned, before any peer gets
// a second one.
func TestAdversary_SendsEveryVariant(t *testing.T) {
	const adversaries, honest = 4, 8
	key := fmt.Sprintf("%064x", 1)
	id := must.Get(chain.KeyFromSeed(key))(t).Address()
	g := chain.Genesis{
		Network: "lab", Bits: pow.InitialBits(50, 1000), Interval: 1000, HalfLife: 100_000, Subsidy: 50,
		Alloc: []chain.Alloc{{Address: id, Amount: 1}},
	}
	sent := make(map[string]int)
	for i := range adversaries {
		cfg := node.Config{
			Name: "adversary", Genesis: g, Key: key, Relay: "inventory",
			Adversary: &node.Adversary{Kinds: Kinds(), First: i * honest},
		}
		m, _, err := New(cfg, node.Deps{}, nil, 0)
		must.Do(t, err)
		a := m.(*Adversary)
		for j := range honest {
			x := a.nextHard(&target{index: j, step: len(a.soft)})
			sent[fmt.Sprintf("%s %d", x.kind, x.variant)]++
		}
	}
	for i := range attacks {
		x := &attacks[i]
		if x.want != WantBan && !x.late {
			continue
		}
		for variant := range max(1, x.variants) {
			if name := fmt.Sprintf("%s %d", x.kind, variant); sent[name] == 0 {
				t.Errorf("%s is not sent", name)
			}
		}
	}
}
