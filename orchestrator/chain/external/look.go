package external

import (
	"context"
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// How many new blocks one look reads, and after how many bytes of them it reads no more; the next look goes on.
const (
	maxLook      = 200
	maxLookBytes = 16 << 20
)

// walk is a node's chain as far as it was read: the hash at every height from base on. The first, which is base's, is
// known from its child only, and empty until there is one.
type walk struct {
	begun  bool
	base   uint64
	hashes []trace.Hash
}

func (w *walk) top() uint64 { return w.base + uint64(len(w.hashes)) - 1 }

func (w *walk) hash(height uint64) trace.Hash { return w.hashes[height-w.base] }

// poll is Polling.Poll. A head whose chain was replaced in part comes with the number of blocks that are not on
// it any more. The height that the node calls final comes last.
func (c *Chain) poll(ctx context.Context, id faults.NodeID) ([]trace.Event, error) {
	n, err := c.node(id)
	if err != nil {
		return nil, err
	}
	t, final, err := c.sight(ctx, n)
	if err != nil {
		return nil, err
	}
	var events []trace.Event
	switch w := &n.walk; {
	case w.begun && t.height == w.top() && t.hash == w.hash(t.height):
	case !w.begun || t.height < w.base:
		events, err = c.begin(ctx, n, t)
	default:
		events, err = c.advance(ctx, n, t)
	}
	if err == nil && final != nil {
		events = append(events, n.finalized(*final)...)
	}
	return events, err
}

// begin starts a node's walk: the first time, or when it fell below where it began.
func (c *Chain) begin(ctx context.Context, n *node, t tip) ([]trace.Event, error) {
	w := &n.walk
	old := *w
	w.begun, w.base, w.hashes = true, c.seen.from(t.height), []trace.Hash{""}
	if t.height > w.base {
		events, err := c.advance(ctx, n, t)
		if err != nil && !errors.Is(err, chain.ErrMoreBlocks) {
			*w = old
		}
		return events, err
	}
	w.hashes[0] = t.hash
	if t.hash == "" {
		return nil, nil
	}
	n.has(t.hash, t.height) // it can be asked for, though no look reads it
	head := &trace.Head{Hash: t.hash, Height: t.height}
	if old.begun {
		head.Old, head.Dropped = old.hash(old.top()), int(old.top()-t.height)
	}
	return []trace.Event{{Kind: trace.KindHead, Head: head}}, nil
}

// errMoved says that a node's chain was replaced while it was read.
var errMoved = errors.New("its chain changed while it was read, twice")

// advance brings a walk to a node's head, or as near as one look may go.
func (c *Chain) advance(ctx context.Context, n *node, t tip) ([]trace.Event, error) {
	if c.byHash() {
		return c.descend(ctx, n, t)
	}
	for range 2 {
		fork, err := c.fork(ctx, n, t.height)
		if err != nil {
			return nil, err
		}
		fresh, err := c.read(ctx, n, fork, t.height)
		if len(fresh) == 0 && err == nil && fork < t.height {
			continue // the first block does not stand on the fork: the chain was replaced meanwhile
		}
		if len(fresh) == 0 && err != nil {
			return nil, err
		}
		// What was read is the node's chain even where the rest was not to be had; the next look will meet the cause.
		n.awaitMade(ctx, fresh)
		events := c.commit(n, fork, fresh)
		if n.walk.top() == t.height && n.walk.hash(t.height) != t.hash {
			return events, c.settle(ctx, n, t)
		}
		if n.walk.top() < t.height {
			return events, chain.ErrMoreBlocks
		}
		return events, nil
	}
	return nil, fmt.Errorf("node %s: %w", n.node.ID, errMoved)
}

// settle finds out why the node's block at its head's height is not its head: because the node went on meanwhile, which
// is no error, or because the chain file's queries do not fit together.
func (c *Chain) settle(ctx context.Context, n *node, t tip) error {
	again, err := c.tip(ctx, n)
	if err != nil || again != t {
		return nil // the next look tells
	}
	b, err := c.block(ctx, n, t.height)
	if err != nil || b.Hash == t.hash || b.Hash != n.walk.hash(t.height) {
		return nil
	}
	o := c.file.Observe
	return c.secrets.err(fmt.Errorf("node %s: observe.head (%s) gives %s at height %d, observe.block.hash (%s) gives %s there",
		n.node.ID, c.at(o.Head.JQ.Pos), t.hash, t.height, c.at(o.Block.Hash.Pos), b.Hash))
}

// fork finds the highest known height, at most limit, at which the node's chain is still the known one. The top is read
// again even where nothing but growth is expected. From there it steps back, further each time, and then halves.
func (c *Chain) fork(ctx context.Context, n *node, limit uint64) (uint64, error) {
	w := &n.walk
	same := func(height uint64) (bool, error) {
		if height == w.base {
			return true, nil
		}
		b, err := c.block(ctx, n, height)
		return err == nil && b.Hash == w.hash(height), err
	}
	differs := min(w.top(), limit) + 1 // lowest height known to differ
	agrees, step := differs-1, uint64(1)
	for {
		ok, err := same(agrees)
		if err != nil {
			return 0, err
		}
		if ok {
			break
		}
		differs = agrees
		agrees -= min(step, agrees-w.base)
		step *= 2
	}
	for differs-agrees > 1 {
		middle := agrees + (differs-agrees)/2
		ok, err := same(middle)
		if err != nil {
			return 0, err
		}
		if ok {
			agrees = middle
		} else {
			differs = middle
		}
	}
	return agrees, nil
}

// read reads the blocks above a height, each standing on the one before. With an error come the blocks before it.
func (c *Chain) read(ctx context.Context, n *node, above, to uint64) ([]trace.Block, error) {
	w := &n.walk
	var fresh []trace.Block
	parent, bytes := w.hash(above), 0
	for height := above + 1; height <= min(to, above+maxLook) && bytes <= maxLookBytes; height++ {
		b, err := c.block(ctx, n, height)
		if err != nil {
			return fresh, err
		}
		if b.Parent != parent && height > w.base+1 {
			return fresh, nil
		}
		fresh = append(fresh, b)
		parent = b.Hash
		bytes += bytesOf(b)
	}
	return fresh, nil
}

// commit makes read blocks the end of a walk and returns what that means.
func (c *Chain) commit(n *node, fork uint64, fresh []trace.Block) []trace.Event {
	w := &n.walk
	old, top := w.hash(w.top()), w.top()
	w.hashes = w.hashes[:fork-w.base+1]
	var events []trace.Event
	for _, b := range fresh {
		if b.Height == w.base+1 {
			w.hashes[0] = b.Parent
		}
		w.hashes = append(w.hashes, b.Hash)
		if c.seen.add(b) {
			events = append(events, trace.Event{Kind: trace.KindBlock, Block: &b})
		}
		if n.has(b.Hash, b.Height) {
			events = append(events, trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{
				Hash: b.Hash, Parent: b.Parent, Height: b.Height, Made: n.isMaker(b),
			}})
		}
	}
	head := &trace.Head{Hash: w.hash(w.top()), Height: w.top(), Old: old, Dropped: int(top - fork)}
	if head.Hash == "" || head.Hash == old {
		return events
	}
	return append(events, trace.Event{Kind: trace.KindHead, Head: head})
}
