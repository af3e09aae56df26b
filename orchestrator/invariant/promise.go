package invariant

import (
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// promises are the heights that nodes call final: none may go back, and what is below may not be replaced.
type promises struct {
	by     map[nodeID]*promise
	broken int
	found  []Evidence
}

// promise is what one node calls final.
type promise struct {
	told uint64 // the latest height
	kept uint64 // the highest, as far as its blocks were not replaced since
}

// observe takes in a final event, or a reorganisation.
func (p *promises) observe(w *World, e *trace.Event) {
	if w.node == noNode {
		return
	}
	x := p.by[w.node]
	switch {
	case e.Kind == trace.KindFinal:
		if x == nil {
			x = &promise{}
			if p.by == nil {
				p.by = make(map[nodeID]*promise)
			}
			p.by[w.node] = x
		}
		if e.Final.Height < x.told {
			p.breaks(Evidence{
				At: w.now, Nodes: []trace.NodeID{w.nodes[w.node].id}, Windows: w.Windows(w.now),
				Text: fmt.Sprintf("%s took back what was final: its final height went from %d to %d",
					w.nodes[w.node].id, x.told, e.Final.Height),
			})
		}
		x.told, x.kept = e.Final.Height, max(x.kept, e.Final.Height)
	case x != nil && w.reorg.depth > 0:
		var fork uint64
		if w.reorg.fork != noBlock {
			fork = w.tree.at(w.reorg.fork).height
		}
		if fork >= x.kept {
			return
		}
		reorg := reorgEvidence(w, w.node, w.now, w.reorg, w.block)
		reorg.Text = fmt.Sprintf("final blocks were replaced: %s had called height %d final; %s", w.nodes[w.node].id, x.kept, reorg.Text)
		p.breaks(reorg)
		x.kept = fork
	}
}

func (p *promises) breaks(e Evidence) {
	p.broken++
	p.found = appendEvidence(p.found, e)
}

// shared is the height that all nodes that tell of one call final; ok is false where none does.
func (p *promises) shared() (height uint64, ok bool) {
	for _, x := range p.by {
		if !ok || x.told < height {
			height, ok = x.told, true
		}
	}
	return height, ok
}

// finalized takes in what a node calls final.
func (w *World) finalized(f *trace.Final) {
	if w.node == noNode || f.Hash == "" {
		return
	}
	b := w.tree.intern(f.Hash, f.Height)
	if w.tree.at(b).height != f.Height {
		w.tree.contradict("block %s is called final at a height that is not its own", f.Hash)
		return
	}
	w.block = b
}
