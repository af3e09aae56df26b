package external

import (
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/orchestrator/chain"
)

// assignProducers is Capabilities.AssignProducers.
func (c *Chain) assignProducers(nodes []chain.Node) (assigned []chain.Node, note string) {
	assigned = slices.Clone(nodes)
	if c.attached {
		return assigned, "" // who makes blocks was decided by others
	}
	producers, most := 0, c.file.Facts.MaxProducers
	for i := range assigned {
		switch n := &assigned[i]; {
		case n.Mine <= 0:
			continue
		case most > 0 && producers >= most:
			n.Mine = 0
		case c.file.Facts.EqualVotes:
			n.Mine = 1
		}
		producers++
	}
	if most > 0 && producers > most {
		note = fmt.Sprintf("%d of the %d nodes that could make blocks do: %s has at most so many (facts.max_producers)",
			most, producers, c.file.Name)
	}
	return assigned, note
}
