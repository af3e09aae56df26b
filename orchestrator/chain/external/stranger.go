package external

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/netsplit/netsplit/orchestrator/chain"
)

// maxListed is the most nodes that are named together.
const maxListed = 6

// findMismatch is Capabilities.FindMismatch. It compares what observe.genesis gives, where the chain file has it, then the
// first blocks. Where blocks are not final at once, block 1 of nodes that have not met yet may differ rightly.
func (c *Chain) findMismatch(ctx context.Context) *chain.NetworkMismatch {
	if c.file.Observe.Genesis != nil {
		if m := c.odd(ctx, "has another genesis", func(n *node) (any, error) { return c.genesisOf(ctx, n) }); m != nil {
			return m
		}
	}
	heights := []uint64{0}
	if f := c.file.Facts; f.Quorum > 0 && f.ForkDepth == 0 {
		heights = append(heights, 1)
	}
	for _, height := range heights {
		m := c.odd(ctx, "is on another chain", func(n *node) (any, error) {
			b, err := c.block(ctx, n, height)
			return map[string]any{fmt.Sprintf("block %d", height): string(b.Hash)}, err
		})
		if m != nil {
			return m
		}
	}
	return nil
}

// genesisOf asks a node for what observe.genesis gives, which the chain file has.
func (c *Chain) genesisOf(ctx context.Context, n *node) (any, error) {
	o := c.file.Observe.Genesis
	answer, err := c.call(ctx, n, o.Calls, nil)
	if err != nil {
		return nil, err
	}
	v, err := c.query(ctx, n, "observe.genesis", o.JQ, answer)
	if err == nil && v == nil {
		return nil, c.bad(n, "observe.genesis", o.JQ, v, answer, "anything that tells networks apart")
	}
	return v, err
}

// genesis checks that every node says how its chain begins, and all the same.
func (k *check) genesis(ctx context.Context) error {
	if k.file.Observe.Genesis == nil {
		return nil
	}
	for i, n := range k.order {
		v, err := k.genesisOf(ctx, n)
		if err != nil {
			k.fail(ctx, rowGenesis, err)
			return nil
		}
		if i == 0 {
			k.works(rowGenesis, "%s", k.show(v))
		}
	}
	if m := k.findMismatch(ctx); m != nil {
		k.fail(ctx, rowGenesis, &misfit{text: fmt.Sprintf("node %s: %s", m.Node, m.Text), at: k.at(k.file.Observe.Genesis.Pos)})
	}
	return nil
}

// odd asks all nodes something at the same time and returns the first whose answer is not that of most, with what
// differs. A node that does not answer is left out.
func (c *Chain) odd(ctx context.Context, claim string, ask func(*node) (any, error)) *chain.NetworkMismatch {
	answers := make([]any, len(c.order))
	var all sync.WaitGroup
	for i, n := range c.order {
		all.Go(func() {
			if v, err := ask(n); err == nil {
				answers[i] = v
			}
		})
	}
	all.Wait()
	groups := make(map[string][]int)
	var order []string
	for i, v := range answers {
		if v == nil {
			continue
		}
		text, err := json.Marshal(v) // mappings in the order of their keys
		if err != nil {
			continue
		}
		if groups[string(text)] == nil {
			order = append(order, string(text))
		}
		groups[string(text)] = append(groups[string(text)], i)
	}
	if len(order) < 2 {
		return nil
	}
	slices.SortStableFunc(order, func(a, b string) int { return len(groups[b]) - len(groups[a]) })
	most, other := groups[order[0]], groups[order[1]]
	odd := c.order[other[0]].node.ID
	path, here, there := difference("", answers[other[0]], answers[most[0]])
	what := fmt.Sprintf("it %s: %s is %s on %s and %s on %s", claim, path, c.show(here), c.listed(other), c.show(there), c.listed(most))
	return &chain.NetworkMismatch{Node: odd, Text: c.secrets.text(what)}
}

// listed names nodes, the first few.
func (c *Chain) listed(index []int) string {
	var names []string
	for _, i := range index[:min(len(index), maxListed)] {
		names = append(names, string(c.order[i].node.ID))
	}
	if more := len(index) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// difference finds the first place at which two different JSON values differ, and what they have there; nil for what is
// missing.
func difference(path string, a, b any) (where string, inA, inB any) {
	same := func(x, y any) bool {
		s, errX := json.Marshal(x)
		t, errY := json.Marshal(y)
		return errX == nil && errY == nil && string(s) == string(t)
	}
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			break
		}
		keys := slices.Collect(maps.Keys(x))
		for key := range y {
			if _, both := x[key]; !both {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			if !same(x[key], y[key]) {
				return difference(strings.TrimPrefix(path+"."+key, "."), x[key], y[key])
			}
		}
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			break
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return difference(fmt.Sprintf("%s[%d]", path, i), x[i], y[i])
			}
		}
	}
	if path == "" {
		path = "it"
	}
	return path, a, b
}
