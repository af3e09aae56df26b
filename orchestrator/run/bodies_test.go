package run

import (
	"testing"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// A wanted block whose content was recorded meanwhile would stay wanted for ever: no node is remembered to have it.
func TestWantedBlocks_TakeLeavesOutRecorded(t *testing.T) {
	w := newWantedBlocks()
	seen := func(h trace.Hash) { w.add(&trace.Event{Kind: trace.KindSeen, Node: "n", Seen: &trace.Seen{Hash: h}}) }
	body := func(h trace.Hash) { w.add(&trace.Event{Kind: trace.KindBlock, Block: &trace.Block{Hash: h}}) }
	seen("a")
	seen("b")
	body("a")
	if q := w.take(); len(q) != 1 || q[0] != "b" {
		t.Errorf("taken: %v", q)
	}
	w.putBack([]trace.Hash{"b"})
	body("b")
	if q := w.take(); len(q) != 0 {
		t.Errorf("taken after it was put back and recorded: %v", q)
	}
}
