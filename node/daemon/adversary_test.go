package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/behavior"
	"github.com/netsplit/netsplit/node/chain"
)

// Each kind of attack goes over real connections to a node, which bans the adversary where it must, and accepts nothing but
// what is valid.
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
	lateCfg := testConfig(t, 2)
	lateCfg.Genesis = genesis
	lateCfg.Peers, lateCfg.MaxPeers = []node.PeerAddr{honest.peerAddr()}, 8
	late := startNode(t, lateCfg) // which shows its address
	late.stop()
	lateCfg.Listen = late.addrs.peers
	back := []string{"silent_history", "empty_history", "broken_history"} // for nodes that come back, or come late
	adversaries := make(map[string]*testNode)
	for i, kind := range behavior.Kinds() {
		cfg := testConfig(t, 200+i)
		cfg.Genesis = genesis
		cfg.Peers = []node.PeerAddr{honest.peerAddr()}
		if slices.Contains(back, kind) {
			cfg.Peers = append(cfg.Peers, late.peerAddr())
		}
		cfg.Adversary = &node.Adversary{Kinds: []string{kind}}
		adversaries[kind] = startNode(t, cfg)
	}
	for _, kind := range behavior.Kinds() {
		if slices.Contains(back, kind) {
			continue
		}
		a := adversaries[kind]
		attack := a.wait(kind, func(e node.Event) bool { return e.Kind == node.EventAttack && e.Attack == kind })
		switch attack.Want {
		case behavior.WantNothing, behavior.WantIgnore:
			continue
		case behavior.WantAccept:
			honest.wait("acceptance of "+kind, func(e node.Event) bool { return e.Kind == node.EventBlock && *e.Hash == *attack.Hash })
			continue
		}
		refusal := honest.wait("refusal of "+kind, func(e node.Event) bool {
			return e.Kind == node.EventInvalid && *e.Peer == a.id
		})
		if want := attack.Want == behavior.WantBan; refusal.Banned != want || !strings.Contains(refusal.Reason, attack.Reason) {
			t.Errorf("%s: %s, banned %v; want %q, %v", kind, refusal.Reason, refusal.Banned, attack.Reason, want)
		}
	}
	late = startNode(t, lateCfg)
	for _, kind := range back {
		adversaries[kind].wait(kind, func(e node.Event) bool { return e.Kind == node.EventAttack && e.Attack == kind && *e.Peer == late.id })
	}
	late.wait("history", func(e node.Event) bool { return e.Kind == node.EventHead && e.Height >= 4 })
	late.stop()
	honest.stop()
	accepted := make(map[string]bool)
	for _, e := range append(late.seen, honest.seen...) {
		if e.Kind == node.EventBlock || e.Kind == node.EventHead {
			accepted[e.Hash.String()] = true
		}
	}
	for kind, a := range adversaries {
		a.stop()
		for _, e := range a.seen {
			if e.Kind == node.EventAttack && e.Want != behavior.WantAccept && e.Hash != nil && accepted[e.Hash.String()] {
				t.Errorf("%s: accepted %s", kind, e.Hash)
			}
		}
	}
}
