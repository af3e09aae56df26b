package external

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// tip is a node's head as the node states it.
type tip struct {
	hash   trace.Hash // may be empty at height 0
	height uint64
}

// tip asks a node for its head. Where height and head come from the same calls they come from one answer.
func (c *Chain) tip(ctx context.Context, n *node) (tip, error) {
	height, answer, err := c.height(ctx, n)
	if err != nil {
		return tip{}, err
	}
	return c.head(ctx, n, height, answer)
}

// height asks a node for the height of its head, and returns the answer that holds it too.
func (c *Chain) height(ctx context.Context, n *node) (uint64, any, error) {
	o := c.file.Observe.Height
	answer, err := c.call(ctx, n, o.Calls, nil)
	if err != nil {
		return 0, nil, err
	}
	height, err := c.number(ctx, n, "observe.height", o.JQ, answer)
	return height, answer, err
}

// head asks a node for the hash of its head, given the height and the answer that held it.
func (c *Chain) head(ctx context.Context, n *node, height uint64, answer any) (tip, error) {
	o := c.file.Observe
	if !sameCalls(o.Height.Calls, o.Head.Calls) {
		var err error
		if answer, err = c.call(ctx, n, o.Head.Calls, map[string]any{"Height": height}); err != nil {
			return tip{}, err
		}
	}
	v, err := c.query(ctx, n, "observe.head", o.Head.JQ, answer)
	if err != nil {
		return tip{}, err
	}
	if s, ok := v.(string); height == 0 && (v == nil || ok && s == "") {
		return tip{"", 0}, nil
	}
	hash, ok := hashText(v)
	if !ok {
		return tip{}, c.bad(n, "observe.head", o.Head.JQ, v, answer, wantHash(v))
	}
	return tip{hash, height}, nil
}

// sameCalls reports whether two things are read from the answer to the same calls.
func sameCalls(a, b []testnets.CallRef) bool {
	return slices.EqualFunc(a, b, func(x, y testnets.CallRef) bool { return x.Name == y.Name })
}

// number applies a query that gives a whole number.
func (c *Chain) number(ctx context.Context, n *node, what string, q testnets.Query, answer any) (uint64, error) {
	v, err := c.query(ctx, n, what, q, answer)
	if err != nil {
		return 0, err
	}
	number, ok := whole(v)
	if !ok {
		return 0, c.bad(n, what, q, v, answer, "a whole number")
	}
	return number, nil
}

// peers asks a node for the number of its peers; -1 where the chain file does not say how.
func (c *Chain) peers(ctx context.Context, n *node) (int, error) {
	o := c.file.Observe.Peers
	if o == nil {
		return -1, nil
	}
	answer, err := c.call(ctx, n, o.Calls, nil)
	if err != nil {
		return 0, err
	}
	count, err := c.number(ctx, n, "observe.peers", o.JQ, answer)
	return int(min(count, 1<<31-1)), err
}

// block asks a node for the block at a height of its chain.
func (c *Chain) block(ctx context.Context, n *node, height uint64) (trace.Block, error) {
	if c.byHash() {
		return c.blockAt(ctx, n, height)
	}
	o := c.file.Observe.Block
	answer, err := c.call(ctx, n, o.Calls, map[string]any{"Height": height})
	if err != nil {
		return trace.Block{}, fmt.Errorf("block at height %d: %w", height, err)
	}
	b, err := c.readBlock(ctx, n, height, answer)
	if err != nil {
		return trace.Block{}, fmt.Errorf("block at height %d: %w", height, err)
	}
	return b, nil
}

func (c *Chain) readBlock(ctx context.Context, n *node, height uint64, answer any) (trace.Block, error) {
	b := trace.Block{Height: height}
	for _, part := range c.blockParts() {
		if err := c.readPart(ctx, n, part, answer, &b); err != nil {
			return b, err
		}
	}
	return b, nil
}

// readPart reads one part of a block from an answer.
func (c *Chain) readPart(ctx context.Context, n *node, part blockPart, answer any, b *trace.Block) error {
	v, err := c.query(ctx, n, part.name, part.jq, answer)
	if err != nil {
		return err
	}
	if want := part.set(b, v); want != "" {
		return c.bad(n, part.name, part.jq, v, answer, want)
	}
	return nil
}

// blockPart is one thing that the chain file says of blocks.
type blockPart struct {
	name string // in the chain file
	jq   testnets.Query
	// set takes what the expression gave. It returns what that should have been, where it is something else.
	set func(b *trace.Block, v any) (want string)
}

// blockParts are the parts of blocks that the chain file has.
func (c *Chain) blockParts() []blockPart {
	o := c.file.Observe.Block
	parts := []blockPart{
		{"observe.block.hash", o.Hash, setHash},
		{"observe.block.parent", o.Parent, setParent},
		{"observe.block.time", o.Time, setTime},
	}
	if o.Proposer != nil {
		parts = append(parts, blockPart{"observe.block.proposer", *o.Proposer, c.setProducer})
	}
	if o.Txs != nil {
		parts = append(parts, blockPart{"observe.block.txs", *o.Txs, setTxs})
	}
	return parts
}

// wantHash says what a value should be that is no hash.
func wantHash(v any) string {
	if s, ok := v.(string); ok && !short(s) {
		return fmt.Sprintf("a hash of at most %d bytes", maxHash)
	}
	return "a hash"
}

func setHash(b *trace.Block, v any) (want string) {
	var ok bool
	if b.Hash, ok = hashText(v); !ok {
		return wantHash(v)
	}
	return ""
}

// setParent takes it that the first block of a chain may have none.
func setParent(b *trace.Block, v any) (want string) {
	if s, ok := v.(string); b.Height <= 1 && (v == nil || ok && s == "") {
		b.Parent = ""
		return ""
	}
	var ok bool
	if b.Parent, ok = hashText(v); !ok {
		return wantHash(v)
	}
	return ""
}

func setTime(b *trace.Block, v any) (want string) {
	var ok bool
	if b.Time, ok = moment(v); !ok {
		return "unix seconds or an RFC 3339 time, up to the year 9999"
	}
	return ""
}

func (c *Chain) setProducer(b *trace.Block, v any) (want string) {
	name, ok := v.(string)
	switch {
	case !ok && v != nil:
		return "text"
	case !short(name):
		return fmt.Sprintf("a text of at most %d bytes", maxHash)
	}
	b.Producer = c.producer(strings.Clone(name))
	return ""
}

func setTxs(b *trace.Block, v any) (want string) {
	list, ok := v.([]any)
	if !ok && v != nil {
		return "a list of texts"
	}
	total := 0
	for _, item := range list {
		id, ok := item.(string)
		if !ok {
			return "a list of texts"
		}
		if total += onLine(id); !short(id) || total > maxTxs {
			b.Txs = nil
			return fmt.Sprintf("a list of texts of at most %d bytes, %d together", maxHash, maxTxs)
		}
		b.Txs = append(b.Txs, normal(strings.Clone(id)))
	}
	return ""
}

// producer gives a block's maker his account where he is one of the nodes.
func (c *Chain) producer(name string) string {
	if n, ok := c.named(name); ok && n.account != "" {
		return n.account
	}
	return string(normal(name))
}
