package external

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// The parts of a chain file that messages name.
const (
	nameReady     = "ready"
	nameHeight    = "observe.height"
	nameHead      = "observe.head"
	nameHash      = "observe.block.hash"
	nameParent    = "observe.block.parent"
	nameTime      = "observe.block.time"
	nameProposer  = "observe.block.proposer"
	nameTxs       = "observe.block.txs"
	nameFinalized = "observe.finalized"
	namePeers     = "observe.peers"
	nameGenesis   = "observe.genesis"
	nameArrival   = "observe.arrival"
	nameFirst     = "first_block"
	nameConnect   = "peers"
	nameWarm      = "warm_up"
	nameMake      = "act.make_block"
	nameSubmit    = "act.submit"
	nameLeader    = "act.leader"
)

// reader reads of nodes what the chain file's `ready`, `observe` and `act.leader` name. It has no state: each method
// queries the node again.
type reader struct{ *caller }

// tip is a node's head as the node states it.
type tip struct {
	hash   trace.Hash // may be empty at height 0
	height uint64
}

// tip reads a node's head. Where height and head come from the same calls they come from one reply.
func (r reader) tip(ctx context.Context, m *member) (tip, error) {
	height, answer, err := r.height(ctx, m)
	if err != nil {
		return tip{}, err
	}
	return r.head(ctx, m, height, answer)
}

// height reads the height of a node's head, and returns the reply that holds it too.
func (r reader) height(ctx context.Context, m *member) (uint64, any, error) {
	return r.number(ctx, m, nameHeight, r.file.Observe.Height)
}

// number reads a whole number, and returns the reply that holds it too.
func (r reader) number(ctx context.Context, m *member, what string, o chainspec.Observation) (uint64, any, error) {
	v, answer, err := r.read(ctx, m, what, o)
	if err != nil {
		return 0, nil, err
	}
	number, ok := whole(v)
	if !ok {
		return 0, nil, r.unexpected(m, what, o.JQ, v, answer, "a whole number")
	}
	return number, answer, nil
}

// head reads the hash of a node's head, given the height and the reply that held it.
func (r reader) head(ctx context.Context, m *member, height uint64, answer any) (tip, error) {
	o := r.file.Observe
	if !sameCalls(o.Height.Calls, o.Head.Calls) {
		var err error
		if answer, err = r.call(ctx, m, o.Head.Calls, map[string]any{"Height": height}); err != nil {
			return tip{}, err
		}
	}
	v, err := r.query(ctx, m, nameHead, o.Head.JQ, answer)
	if err != nil {
		return tip{}, err
	}
	if s, ok := v.(string); height == 0 && (v == nil || ok && s == "") {
		return tip{"", 0}, nil
	}
	hash, ok := hashText(v)
	if !ok {
		return tip{}, r.unexpected(m, nameHead, o.Head.JQ, v, answer, wantHash(v))
	}
	return tip{hash, height}, nil
}

// sameCalls reports whether two things are read from the reply to the same calls.
func sameCalls(a, b []chainspec.CallRef) bool {
	return slices.EqualFunc(a, b, func(x, y chainspec.CallRef) bool { return x.Name == y.Name })
}

// tipAndFinal reads what one poll begins with: a node's head and, where the chain file says how, the height that it calls
// final; nil: none yet, or the file does not say.
//
// A final height that needs calls of its own is read before the head. A node that keeps its promises then has the block that
// it called final on the chain that is read afterwards; the other way round it could have changed chains in between, and
// called a block final that was not the one which was read.
func (r reader) tipAndFinal(ctx context.Context, m *member) (t tip, final *uint64, err error) {
	o := r.file.Observe
	same := o.Finalized != nil && sameCalls(o.Finalized.Calls, o.Height.Calls)
	if o.Finalized != nil && !same {
		answer, err := r.call(ctx, m, o.Finalized.Calls, nil)
		if err != nil {
			return tip{}, nil, err
		}
		if final, err = r.final(ctx, m, answer); err != nil {
			return tip{}, nil, err
		}
	}
	height, answer, err := r.height(ctx, m)
	if err != nil {
		return tip{}, nil, err
	}
	if same {
		if final, err = r.final(ctx, m, answer); err != nil {
			return tip{}, nil, err
		}
	}
	t, err = r.head(ctx, m, height, answer)
	return t, final, err
}

// final reads the height that a node calls final out of a reply, nil where it gives null: nothing is final yet.
func (r reader) final(ctx context.Context, m *member, answer any) (*uint64, error) {
	q := r.file.Observe.Finalized.JQ
	v, err := r.query(ctx, m, nameFinalized, q, answer)
	if err != nil || v == nil {
		return nil, err
	}
	height, ok := whole(v)
	if !ok {
		return nil, r.unexpected(m, nameFinalized, q, v, answer, "a whole number")
	}
	return &height, nil
}

// peers reads the number of a node's peers; -1 where the chain file does not say how.
func (r reader) peers(ctx context.Context, m *member) (int, error) {
	if r.file.Observe.Peers == nil {
		return -1, nil
	}
	count, _, err := r.number(ctx, m, namePeers, *r.file.Observe.Peers)
	return int(min(count, 1<<31-1)), err
}

// ready returns nil when a node is ready.
func (r reader) ready(ctx context.Context, m *member) error {
	o := r.file.Ready
	v, answer, err := r.read(ctx, m, nameReady, chainspec.Observation{Calls: o.Calls, JQ: o.JQ})
	if err == nil && !truth(v) {
		err = r.unexpected(m, nameReady, o.JQ, v, answer, "true")
	}
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	return nil
}

// genesis reads what identifies the node's network, which the chain file has.
func (r reader) genesis(ctx context.Context, m *member) (any, error) {
	o := *r.file.Observe.Genesis
	v, answer, err := r.read(ctx, m, nameGenesis, o)
	if err == nil && v == nil {
		return nil, r.unexpected(m, nameGenesis, o.JQ, v, answer, "a value that identifies the network")
	}
	return v, err
}

// leader reads who is to make the next block, as a node sees it now.
func (r reader) leader(ctx context.Context, m *member) (faults.NodeID, error) {
	o := *r.file.Act.Leader
	v, answer, err := r.read(ctx, m, nameLeader, o)
	if err != nil {
		return "", fmt.Errorf("who leads next: %w", err)
	}
	text, _ := v.(string)
	leader, ok := r.net.named(text)
	if !ok {
		return "", r.unexpected(m, nameLeader, o.JQ, v, answer, "a node's name, or the address or public half of a key of one of the nodes")
	}
	return leader.ID, nil
}

// block reads the block at a height of a node's chain.
func (r reader) block(ctx context.Context, m *member, height uint64) (trace.Block, error) {
	if r.byHash() {
		return r.blockDownTo(ctx, m, height)
	}
	answer, err := r.call(ctx, m, r.file.Observe.Block.Calls, map[string]any{"Height": height})
	var b trace.Block
	if err == nil {
		b, err = r.parseBlock(ctx, m, height, answer)
	}
	if err != nil {
		return trace.Block{}, fmt.Errorf("block at height %d: %w", height, err)
	}
	return b, nil
}

// byHash reports whether nodes give blocks by their hashes alone.
func (r reader) byHash() bool { return r.file.Observe.Block.ByHash }

// blockByHash reads the block with a hash, which is at a height.
func (r reader) blockByHash(ctx context.Context, m *member, hash trace.Hash, height uint64) (trace.Block, error) {
	o := r.file.Observe.Block
	answer, err := r.call(ctx, m, o.Calls, map[string]any{"Height": height, "Hash": string(hash)})
	var b trace.Block
	if err == nil {
		b, err = r.parseBlock(ctx, m, height, answer)
	}
	if err == nil && b.Hash != hash {
		err = r.unexpected(m, nameHash, o.Hash, string(b.Hash), answer, "the requested hash")
	}
	if err != nil {
		return trace.Block{}, fmt.Errorf("block %s at height %d: %w", hash, height, err)
	}
	return b, nil
}

// blockDownTo reads the block at a height of a node's chain where nodes give blocks by hash: down from the head.
func (r reader) blockDownTo(ctx context.Context, m *member, height uint64) (trace.Block, error) {
	t, err := r.tip(ctx, m)
	if err != nil {
		return trace.Block{}, err
	}
	if t.height < height || t.height-height >= maxBelow {
		return trace.Block{}, fmt.Errorf("block at height %d: node %s, whose head is at height %d, gives blocks by hash alone", height,
			m.ID, t.height)
	}
	b, err := r.blockByHash(ctx, m, t.hash, t.height)
	for err == nil && b.Height > height {
		b, err = r.blockByHash(ctx, m, b.Parent, b.Height-1)
	}
	return b, err
}

// parseBlock reads a block out of a reply.
func (r reader) parseBlock(ctx context.Context, m *member, height uint64, answer any) (trace.Block, error) {
	b := trace.Block{Height: height}
	for _, part := range r.blockParts() {
		if err := r.parsePart(ctx, m, part, answer, &b); err != nil {
			return b, err
		}
	}
	return b, nil
}

// parsePart reads one part of a block out of a reply.
func (r reader) parsePart(ctx context.Context, m *member, part blockPart, answer any, b *trace.Block) error {
	v, err := r.query(ctx, m, part.name, part.jq, answer)
	if err != nil {
		return err
	}
	if want := part.set(b, v); want != "" {
		return r.unexpected(m, part.name, part.jq, v, answer, want)
	}
	return nil
}

// blockPart is one thing that the chain file says of blocks.
type blockPart struct {
	name string // in the chain file
	jq   chainspec.Query
	// set takes what the expression gave. It returns what that should have been, where it is something else.
	set func(b *trace.Block, v any) (want string)
}

// blockParts are the parts of blocks that the chain file has.
func (r reader) blockParts() []blockPart {
	o := r.file.Observe.Block
	parts := []blockPart{{nameHash, o.Hash, setHash}, {nameParent, o.Parent, setParent}, {nameTime, o.Time, setTime}}
	if o.Proposer != nil {
		parts = append(parts, blockPart{nameProposer, *o.Proposer, r.setProducer})
	}
	if o.Txs != nil {
		parts = append(parts, blockPart{nameTxs, *o.Txs, setTxs})
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

// setParent accepts that the first block of a chain has no parent.
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

func (r reader) setProducer(b *trace.Block, v any) (want string) {
	name, ok := v.(string)
	switch {
	case !ok && v != nil:
		return "text"
	case !short(name):
		return fmt.Sprintf("a text of at most %d bytes", maxHash)
	}
	b.Producer = r.net.producer(strings.Clone(name))
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
