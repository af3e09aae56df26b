package external

import (
	"context"
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
// first blocks. Where blocks are not final at once, block 1 may differ rightly on nodes that are not connected yet.
func (r reader) findMismatch(ctx context.Context) *chain.NetworkMismatch {
	if r.file.Observe.Genesis != nil {
		if m := r.compare(ctx, "has another genesis", func(m *member) (any, error) { return r.genesis(ctx, m) }); m != nil {
			return m
		}
	}
	heights := []uint64{0}
	if f := r.file.Facts; f.Quorum > 0 && f.ForkDepth == 0 {
		heights = append(heights, 1)
	}
	for _, height := range heights {
		m := r.compare(ctx, "is on another chain", func(m *member) (any, error) {
			b, err := r.block(ctx, m, height)
			return map[string]any{fmt.Sprintf("block %d", height): string(b.Hash)}, err
		})
		if m != nil {
			return m
		}
	}
	return nil
}

// compare reads something of all nodes at the same time and returns the first node that differs from most, with what
// differs. A node that does not answer is left out.
func (r reader) compare(ctx context.Context, claim string, read func(*member) (any, error)) *chain.NetworkMismatch {
	answers := make([]any, len(r.net.nodes))
	var all sync.WaitGroup
	for i, m := range r.net.nodes {
		all.Go(func() {
			if v, err := read(m); err == nil {
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
		text := asJSON(v) // mappings in the order of their keys
		if groups[text] == nil {
			order = append(order, text)
		}
		groups[text] = append(groups[text], i)
	}
	if len(order) < 2 {
		return nil
	}
	slices.SortStableFunc(order, func(a, b string) int { return len(groups[b]) - len(groups[a]) })
	most, other := groups[order[0]], groups[order[1]]
	differs := r.net.nodes[other[0]].ID
	path, here, there := difference("", answers[other[0]], answers[most[0]])
	what := fmt.Sprintf("it %s: %s is %s on %s and %s on %s", claim, path, r.secrets.show(here), r.listed(other), r.secrets.show(there), r.listed(most))
	return &chain.NetworkMismatch{Node: differs, Text: r.secrets.text(what)}
}

// listed names nodes, the first few.
func (r reader) listed(index []int) string {
	var names []string
	for _, i := range index[:min(len(index), maxListed)] {
		names = append(names, string(r.net.nodes[i].ID))
	}
	if more := len(index) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// difference finds the first place at which two different JSON values differ, and what they have there; nil for what is
// missing.
func difference(path string, a, b any) (where string, inA, inB any) {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			break
		}
		all := maps.Clone(x)
		maps.Copy(all, y)
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if asJSON(x[key]) != asJSON(y[key]) {
				return difference(strings.TrimPrefix(path+"."+key, "."), x[key], y[key])
			}
		}
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			break
		}
		for i := range x {
			if asJSON(x[i]) != asJSON(y[i]) {
				return difference(fmt.Sprintf("%s[%d]", path, i), x[i], y[i])
			}
		}
	}
	if path == "" {
		path = "it"
	}
	return path, a, b
}
