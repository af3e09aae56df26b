package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/behavior"
	"github.com/netsplit/netsplit/node/chain"
)

// Each kind of attack goes over real connections to a node, which bans the adversary where it must, and accepts nothing.
func TestAdversaries(t *testing.T) {
	genesis := testGenesis
	genesis.Alloc = slices.Clone(genesis.Alloc)
	for i := range behavior.Kinds() {
		genesis.Alloc = append(genesis.Alloc, chain.Alloc{Address: testKey(200 + i).Address(), Amount: 1000})
	}
	slices.SortFunc(genesis.Alloc, func(a, b chain.Alloc) int { return a.Address.Cmp(b.Address) })
	cfg := testConfig(t, 1)
	cfg.Genesis = genesis
	cfg.Mine, cfg.MaxPeers = testRate, 2*len(behavior.Kinds())
	honest := startNode(t, cfg)
	adversaries := make(map[string]*testNode)
	for i, kind := range behavior.Kinds() {
		cfg := testConfig(t, 200+i)
		cfg.Genesis = genesis
		cfg.Peers = []node.PeerAddr{honest.peerAddr()}
		cfg.Adversary = &node.Adversary{Kinds: []string{kind}}
		adversaries[kind] = startNode(t, cfg)
	}
	for _, kind := range behavior.Kinds() {
		a := adversaries[kind]
		attack := a.wait(kind, func(e node.Event) bool { return e.Kind == node.EventAttack && e.Attack == kind })
		if attack.Want == behavior.WantNothing {
			continue
		}
		refusal := honest.wait("refusal of "+kind, func(e node.Event) bool {
			return e.Kind == node.EventInvalid && *e.Peer == a.id
		})
		if want := attack.Want == behavior.WantBan; refusal.Banned != want || !strings.Contains(refusal.Reason, attack.Reason) {
			t.Errorf("%s: %s, banned %v; want %q, %v", kind, refusal.Reason, refusal.Banned, attack.Reason, want)
		}
	}
	honest.stop()
	accepted := make(map[string]bool)
	for _, e := range honest.seen {
		if e.Kind == node.EventBlock || e.Kind == node.EventHead {
			accepted[e.Hash.String()] = true
		}
	}
	for kind, a := range adversaries {
		a.stop()
		for _, e := range a.seen {
			if e.Kind == node.EventAttack && e.Hash != nil && accepted[e.Hash.String()] {
				t.Errorf("%s: accepted %s", kind, e.Hash)
			}
		}
	}
}
