package external

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// maxPoll is how many new blocks one poll reads, and maxPollBytes after how many bytes of them it reads no more; the
	// next poll goes on.
	maxPoll      = 200
	maxPollBytes = 16 << 20
	// maxBelow is how many blocks below a node's head are read before one is found that is known, and maxBelowBytes how
	// many bytes of them, where nodes give blocks by hash alone.
	maxBelow = 5000
	// maxUnproven is how many polls must find the same before the first heights count as skipped.
	maxUnproven   = 3
	maxBelowBytes = 64 << 20
)

// poller follows one node's chain. It owns what was read of it: the hash at every height, the blocks that the node has had,
// and the height that it called final. Polls are serial; heightOf may be called at any time.
type poller struct {
	reader
	member *member
	maker  *maker
	store  *blockStore

	begun bool
	// base and hashes are the chain: the hash at every height from base on, empty where the chain has no block: it skipped that
	// height. The first, which is base's, is known from its child only, and empty until there is one.
	base   uint64
	hashes []trace.Hash
	final  uint64
	// unproven is how often in a row nothing showed whether the chain skips the heights above base: base's hash is not known.
	unproven int
	// below are the blocks that were read on the way down from a head, see descend; belowBytes is what they take.
	below      map[trace.Hash]trace.Block
	belowBytes int

	mu  sync.Mutex
	had map[trace.Hash]uint64 // heights of the blocks that the node has had
}

func (p *poller) top() uint64 { return p.base + uint64(len(p.hashes)) - 1 }

func (p *poller) hash(height uint64) trace.Hash { return p.hashes[height-p.base] }

// known returns the highest height, from a height down, at which the chain has a block that was read; else base.
func (p *poller) known(height uint64) uint64 {
	for height > p.base && p.hash(height) == "" {
		height--
	}
	return height
}

// noBlock says whether a node answered that it has no block, where it skipped a height say.
func noBlock(err error) bool {
	var refused *RPCError
	var unfit *AnswerError
	return errors.As(err, &refused) || errors.As(err, &unfit)
}

// poll is Polling.Poll for the node. A head whose chain was replaced in part comes with the number of blocks that are not on
// it any more. The height that the node calls final comes last.
func (p *poller) poll(ctx context.Context) ([]trace.Event, error) {
	t, final, err := p.tipAndFinal(ctx, p.member)
	if err != nil {
		return nil, err
	}
	var events []trace.Event
	switch {
	case p.begun && t.hash == "" && p.top() > 0:
		return nil, fmt.Errorf("node %s gives no head (height %d, no hash), and its chain was at height %d", p.member.ID, t.height, p.top())
	case p.begun && t.height == p.top() && t.hash == p.hash(t.height):
	case !p.begun || t.height < p.base:
		events, err = p.begin(ctx, t)
	default:
		events, err = p.advance(ctx, t)
	}
	if err == nil && final != nil {
		events = append(events, p.finalized(*final)...)
	}
	return events, err
}

// begin reads the chain from its base on: the first time, or when the node fell below where it began.
func (p *poller) begin(ctx context.Context, t tip) ([]trace.Event, error) {
	begun, base, hashes := p.begun, p.base, p.hashes
	p.begun, p.base, p.hashes = true, p.store.from(t.height), []trace.Hash{""}
	if t.height > p.base {
		events, err := p.advance(ctx, t)
		if err != nil && !errors.Is(err, chain.ErrMoreBlocks) {
			p.begun, p.base, p.hashes = begun, base, hashes
		}
		return events, err
	}
	p.hashes[0] = t.hash
	if t.hash == "" {
		return nil, nil
	}
	p.has(t.hash, t.height) // it can be queried, though no poll reads it
	head := &trace.Head{Hash: t.hash, Height: t.height}
	if begun {
		top := len(hashes) - 1
		head.Old, head.Dropped = hashes[top], int(base+uint64(top)-t.height)
	}
	return []trace.Event{{Kind: trace.KindHead, Head: head}}, nil
}

// errReplaced says that a node's chain was replaced while it was read.
var errReplaced = errors.New("its chain changed while it was read, twice")

// advance reads up to a node's head, or as near as one poll may go.
func (p *poller) advance(ctx context.Context, t tip) ([]trace.Event, error) {
	if p.byHash() {
		return p.descend(ctx, t)
	}
	for range 2 {
		fork, err := p.fork(ctx, t.height)
		if err != nil {
			return nil, err
		}
		fresh, err := p.readAbove(ctx, fork, t.height)
		if len(fresh) == 0 && err == nil && fork < t.height {
			continue // the first block does not stand on the fork: the chain was replaced meanwhile
		}
		if len(fresh) == 0 && err != nil {
			return nil, err
		}
		// What was read is the node's chain even where the rest could not be read; the next poll fails on the cause.
		events := p.commit(ctx, fork, fresh)
		if p.top() == t.height && p.hash(t.height) != t.hash {
			return events, p.checkHead(ctx, t)
		}
		if p.top() < t.height {
			return events, chain.ErrMoreBlocks
		}
		return events, nil
	}
	return nil, fmt.Errorf("node %s: %w", p.member.ID, errReplaced)
}

// checkHead finds out why the node's block at its head's height is not its head: because the node went on meanwhile, which
// is no error, or because the chain file's expressions do not fit together.
func (p *poller) checkHead(ctx context.Context, t tip) error {
	again, err := p.tip(ctx, p.member)
	if err != nil || again != t {
		return nil //nolint:nilerr // the next poll shows it
	}
	b, err := p.block(ctx, p.member, t.height)
	if err != nil || b.Hash == t.hash || b.Hash != p.hash(t.height) {
		return nil //nolint:nilerr // the next poll shows it
	}
	o := p.file.Observe
	return p.secrets.err(fmt.Errorf("node %s: observe.head (%s) gives %s at height %d, observe.block.hash (%s) gives %s there",
		p.member.ID, at(p.file, o.Head.JQ.Pos), t.hash, t.height, at(p.file, o.Block.Hash.Pos), b.Hash))
}

// fork finds the highest known block, at most at height limit, that is still on the node's chain. The top is read again even
// where nothing but growth is expected. From there it steps back, further each time, and then halves.
func (p *poller) fork(ctx context.Context, limit uint64) (uint64, error) {
	same := func(height uint64) (bool, error) {
		height = p.known(height)
		if height == p.base {
			return true, nil
		}
		b, err := p.block(ctx, p.member, height)
		if err != nil && noBlock(err) {
			return false, nil // the chain may skip this height now; what is read above must have its parent further down
		}
		return err == nil && b.Hash == p.hash(height), err
	}
	differs := min(p.top(), limit) + 1 // lowest height known to differ
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
		agrees -= min(step, agrees-p.base)
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
	return p.known(agrees), nil
}

// readAbove reads the blocks above a height, each standing on the one before. Heights that the chain skips are followed by
// parents: a height at which the node has no block is one if the next block stands on the last one before. With an error come
// the blocks before it.
func (p *poller) readAbove(ctx context.Context, above, to uint64) ([]trace.Block, error) {
	var fresh []trace.Block
	var skipped error // why there is no block at the heights since the last one
	parent, bytes := p.hash(above), 0
	for height := above + 1; height <= min(to, above+maxPoll) && bytes <= maxPollBytes; height++ {
		b, err := p.block(ctx, p.member, height)
		switch {
		case err != nil && height < to && noBlock(err):
			skipped = cmp.Or(skipped, err)
			continue
		case err != nil:
			return fresh, cmp.Or(skipped, err)
		case b.Parent != parent && (above > p.base || len(fresh) > 0 || skipped != nil && parent != ""):
			return fresh, skipped
		case skipped != nil && parent == "":
			if p.unproven++; p.unproven < maxUnproven {
				return fresh, skipped
			}
		}
		fresh = append(fresh, b)
		parent, skipped = b.Hash, nil
		bytes += bytesOf(b)
	}
	if len(fresh) == 0 {
		return nil, skipped
	}
	return fresh, nil
}

// descend reads up to a node's head where nodes give blocks by hash: from the head down, parent by parent, to the highest
// block that is known. Nothing is committed before that is found; what was read until then is kept for the next poll.
func (p *poller) descend(ctx context.Context, t tip) ([]trace.Event, error) {
	var down []trace.Block
	hash, height := t.hash, t.height
	for read, before := 0, p.belowBytes; height > p.base && (height > p.top() || p.hash(height) != hash); height-- {
		if h, ok := p.store.heightOf(hash); ok && h < height { // the chain skips heights
			if height = h; height <= p.base || height <= p.top() && p.hash(height) == hash {
				break
			}
		}
		b, ok := p.below[hash]
		switch {
		case len(down) == maxBelow || p.belowBytes > maxBelowBytes:
			defer p.dropBelow()
			return nil, fmt.Errorf("node %s: none of the %d blocks below its head at height %d is known; they take %d bytes",
				p.member.ID, len(p.below), t.height, p.belowBytes)
		case !ok && (read == maxPoll || p.belowBytes-before > maxPollBytes):
			return nil, chain.ErrMoreBlocks
		case !ok:
			var err error
			if b, err = p.blockByHash(ctx, p.member, hash, height); err != nil {
				return nil, err
			}
			read++
			if p.below == nil {
				p.below = make(map[trace.Hash]trace.Block)
			}
			p.below[hash] = b
			p.belowBytes += bytesOf(b)
		}
		b.Height = height
		down = append(down, b)
		hash = b.Parent
	}
	p.dropBelow()
	slices.Reverse(down)
	return p.commit(ctx, height, down), nil
}

func (p *poller) dropBelow() { p.below, p.belowBytes = nil, 0 }

// commit makes blocks that were read the end of the chain and returns what that means. Where there are any, it waits for
// the node to say which blocks it made.
func (p *poller) commit(ctx context.Context, fork uint64, fresh []trace.Block) []trace.Event {
	if len(fresh) > 0 {
		p.maker.wait(ctx)
	}
	old, dropped := p.hash(p.top()), 0
	for _, h := range p.hashes[fork-p.base+1:] {
		if h != "" {
			dropped++
		}
	}
	p.hashes = p.hashes[:fork-p.base+1]
	var events []trace.Event
	for i, b := range fresh {
		if i == 0 && fork == p.base {
			p.hashes[0] = b.Parent
		}
		for p.top()+1 < b.Height {
			p.hashes = append(p.hashes, "")
		}
		p.hashes = append(p.hashes, b.Hash)
		if p.store.add(b) {
			events = append(events, trace.Event{Kind: trace.KindBlock, Block: &b})
		}
		if p.has(b.Hash, b.Height) {
			events = append(events, trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{
				Hash: b.Hash, Parent: b.Parent, Height: b.Height, Made: p.maker.isMaker(b),
			}})
		}
	}
	head := &trace.Head{Hash: p.hash(p.top()), Height: p.top(), Old: old, Dropped: dropped}
	if head.Hash == "" || head.Hash == old {
		return events
	}
	return append(events, trace.Event{Kind: trace.KindHead, Head: head})
}

// finalized returns the event of the node's final height, if that changed. The hash is that of the block there on the
// node's chain, as far as it was read.
func (p *poller) finalized(height uint64) []trace.Event {
	if height == p.final {
		return nil
	}
	p.final = height
	f := &trace.Final{Height: height}
	if p.begun && height >= p.base && height <= p.top() {
		f.Hash = p.hash(height)
	}
	return []trace.Event{{Kind: trace.KindFinal, Final: f}}
}

// has notes that the node has a block and reports whether that is new.
func (p *poller) has(h trace.Hash, height uint64) (isNew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.had[h]; ok {
		return false
	}
	p.had[h] = height
	return true
}

// heightOf returns the height of a block that the node has had.
func (p *poller) heightOf(h trace.Hash) (uint64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	height, ok := p.had[h]
	return height, ok
}
