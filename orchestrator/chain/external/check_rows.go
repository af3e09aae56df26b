package external

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// first is the node that is checked most.
func (k *checker) first() *member { return k.net.nodes[0] }

func (k *checker) isReady(ctx context.Context) (string, error) {
	return k.each(ctx, k.startTimeout, func(m *member) (string, error) { return "yes", k.ready(ctx, m) })
}

func (k *checker) hasHeight(ctx context.Context) (string, error) {
	return k.each(ctx, k.startTimeout, func(m *member) (string, error) {
		height, _, err := k.reader.height(ctx, m)
		return fmt.Sprint(height), err
	})
}

func (k *checker) hasHead(ctx context.Context) (string, error) {
	return k.each(ctx, k.startTimeout, func(m *member) (string, error) {
		t, err := k.reader.tip(ctx, m)
		return shortHash(t.hash), err
	})
}

// hasGenesis checks that every node says how its chain begins, and all the same.
func (k *checker) hasGenesis(ctx context.Context) (string, error) {
	value, err := k.each(ctx, expressionTimeout, func(m *member) (string, error) {
		v, err := k.genesis(ctx, m)
		return k.secrets.show(v), err
	})
	if err != nil {
		return "", err
	}
	if m := k.findMismatch(ctx); m != nil {
		return "", &mismatchError{text: fmt.Sprintf("node %s: %s", m.Node, m.Text), at: at(k.file, k.file.Observe.Genesis.Pos)}
	}
	return value, nil
}

func (k *checker) givesFirstBlock(ctx context.Context) (string, error) {
	return "given", k.await(ctx, k.startTimeout, func() error { return k.chain.connector.firstBlock(ctx) })
}

func (k *checker) connects(ctx context.Context) (string, error) {
	switch {
	case k.found[nameFirst].Outcome == Failed:
		return "", skipError("first_block failed")
	case len(k.file.Peers.Calls) == 0:
		return "by the start", nil
	}
	return "done", k.await(ctx, k.startTimeout, func() error { return k.chain.connector.connectAll(ctx) })
}

// hasPeers waits until every node that has a neighbour counts a peer.
func (k *checker) hasPeers(ctx context.Context) (string, error) {
	return k.each(ctx, k.startTimeout, func(m *member) (string, error) {
		count, err := k.peers(ctx, m)
		if err == nil && count < min(len(m.Peers), 1) {
			err = &mismatchError{
				text: fmt.Sprintf("node %s counts no peer, although it was started with one", m.ID), at: at(k.file, k.file.Observe.Peers.JQ.Pos), node: m, look: true,
				hint: "is the peer's address in the start what the node wants, does the peer listen on 0.0.0.0, or is the jq wrong?",
			}
		}
		return fmt.Sprint(count), err
	})
}

func (k *checker) warmsUp(ctx context.Context) (string, error) {
	if err := k.chain.connector.warmUp(ctx); err != nil {
		return "", err
	}
	height, _, err := k.reader.height(ctx, k.first())
	return fmt.Sprintf("to height %d", height), err
}

// minGrown is the height at which a block and the one below can be read.
const minGrown = 2

// makesBlocks makes blocks by act.make_block, at least one and until there are enough.
func (k *checker) makesBlocks(ctx context.Context) (string, error) {
	began, _, err := k.reader.height(ctx, k.first())
	if err != nil {
		return "", err
	}
	// Nothing is to happen; how long that takes is a matter of time alone.
	k.alone = k.awaitHeight(ctx, k.net.interval, began) == nil
	value := "done" // where it has grown enough by itself
	if k.height >= max(began+1, minGrown) {
		return value, k.chain.makeBlock(ctx, k.first().ID)
	}
	for k.height < max(began+1, minGrown) {
		before := k.height
		if err := k.chain.makeBlock(ctx, k.first().ID); err != nil {
			return "", err
		}
		if err := k.awaitHeight(ctx, k.growWithin(), before); err != nil {
			return "", err
		}
		value = fmt.Sprintf("height %d to %d", before, k.height)
	}
	return value, nil
}

// awaitHeight waits until the first node's chain is higher than a height.
func (k *checker) awaitHeight(ctx context.Context, within time.Duration, than uint64) error {
	return k.await(ctx, within, func() (err error) {
		if k.height, _, err = k.reader.height(ctx, k.first()); err == nil && k.height <= than {
			return &mismatchError{
				text: fmt.Sprintf("node %s is at height %d, and stays there", k.first().ID, k.height), at: at(k.file, k.file.Observe.Height.JQ.Pos), look: true,
				hint: "does this node make blocks, and is nothing that it waits for missing? What it printed may tell",
			}
		}
		return err
	})
}

// grows waits for blocks, unless they were made.
func (k *checker) grows(ctx context.Context) (value string, err error) {
	switch {
	case k.file.Act.MakeBlock == nil:
		start, began := uint64(0), k.clock.Now()
		if start, _, err = k.reader.height(ctx, k.first()); err == nil {
			err = k.awaitHeight(ctx, k.growWithin(), max(start, minGrown-1))
		}
		value = fmt.Sprintf("by itself, %d in %s", k.height-start, rounded(k.clock.Now()-began))
	case k.height < minGrown || !k.alone && !k.works(nameMake):
		err = skipError("no block could be made")
	case !k.works(nameMake):
		value = "by itself"
	case k.alone:
		value = "on command, and by itself too"
	default:
		value = "on command only"
	}
	if err != nil {
		return "", err
	}
	k.found[nameHeight] = Finding{Outcome: Works, Value: fmt.Sprint(k.height)}
	return value, nil
}

// readsBlocks reads the newest block of every node, and its hash.
func (k *checker) readsBlocks(ctx context.Context) (string, error) {
	var samples []sample
	for _, m := range k.net.nodes {
		s := sample{member: m}
		err := k.await(ctx, k.growWithin(), func() error {
			t, err := k.reader.tip(ctx, m)
			if err == nil {
				s.block.Height = t.height
				s.answer, err = k.call(ctx, m, k.file.Observe.Block.Calls, map[string]any{"Height": t.height, "Hash": string(t.hash)})
			}
			return err
		})
		if err != nil {
			return "", fmt.Errorf("block at height %d: %w", s.block.Height, err)
		}
		samples = append(samples, s)
	}
	k.samples = samples
	return blockRow(nameHash)(k, ctx)
}

// blockRow reads one part of every node's newest block by itself.
func blockRow(name string) func(*checker, context.Context) (string, error) {
	return func(k *checker, ctx context.Context) (string, error) {
		if k.samples == nil {
			return "", skipError("the call for the block failed")
		}
		i := slices.IndexFunc(k.blockParts(), func(p blockPart) bool { return p.name == name })
		for j := range k.samples {
			s := &k.samples[j]
			if err := k.parsePart(ctx, s.member, k.blockParts()[i], s.answer, &s.block); err != nil {
				return "", err
			}
		}
		return k.shown(name, k.samples[0].block), nil
	}
}

// shown writes a part of a block in short.
func (k *checker) shown(name string, b trace.Block) string {
	switch name {
	case nameHash:
		return shortHash(b.Hash)
	case nameParent:
		return shortHash(b.Parent)
	case nameTime:
		return b.Time.Format(time.RFC3339)
	case nameProposer:
		for _, m := range k.net.nodes {
			if m.account != "" && b.Producer == m.account {
				return "node " + string(m.ID)
			}
		}
		if b.Producer == "" {
			return "none"
		}
		return shortHash(trace.Hash(b.Producer)) + ", no node's key"
	}
	return fmt.Sprint(len(b.Txs))
}

// headFits compares a node's head with the block at its height.
func (k *checker) headFits(ctx context.Context) (string, error) {
	if !k.works(nameHash) || !k.works(nameParent) || !k.works(nameTime) {
		k.stop = "blocks cannot be read"
		return "", skipError(k.stop)
	}
	o := k.file.Observe
	err := k.await(ctx, expressionTimeout+2*k.net.interval, func() (err error) {
		if k.tip, err = k.reader.tip(ctx, k.first()); err != nil {
			return err
		}
		if k.block, err = k.reader.block(ctx, k.first(), k.tip.height); err == nil && k.block.Hash != k.tip.hash {
			err = &mismatchError{
				text: fmt.Sprintf("at height %d observe.head (%s) gives %s, observe.block.hash (%s) gives %s", k.tip.height,
					at(k.file, o.Head.JQ.Pos), k.tip.hash, at(k.file, o.Block.Hash.Pos), k.block.Hash),
				at: at(k.file, o.Head.JQ.Pos), hint: "both must name a block in the same way: look for the same field in both replies",
			}
		}
		return err
	})
	k.found[nameHead] = Finding{Outcome: Works, Value: shortHash(k.tip.hash)}
	return fmt.Sprintf("at height %d", k.tip.height), err
}

// parentFits compares the newest block's parent with the block below.
func (k *checker) parentFits(ctx context.Context) (string, error) {
	err := k.await(ctx, expressionTimeout+2*k.net.interval, func() (err error) {
		var below trace.Block
		if k.block, err = k.reader.block(ctx, k.first(), k.block.Height); err == nil {
			below, err = k.blockBelow(ctx, k.block.Height)
		}
		if err == nil && k.block.Parent != below.Hash {
			err = &mismatchError{
				text: fmt.Sprintf("the block at height %d says that its parent is %s, and the block at %d is %s", k.block.Height, k.block.Parent, below.Height, below.Hash),
				at:   at(k.file, k.file.Observe.Block.Parent.Pos), hint: "parent is the hash of the block below, named as observe.block.hash names it",
			}
		}
		return err
	})
	return fmt.Sprintf("at height %d", k.block.Height), err
}

// blockBelow reads the first node's next block below a height: chains may skip heights.
func (k *checker) blockBelow(ctx context.Context, height uint64) (trace.Block, error) {
	below, err := k.reader.block(ctx, k.first(), height-1)
	for h := height - 1; err != nil && noBlock(err) && h > 0 && height-h < maxPoll; {
		h--
		var lower trace.Block
		var again error
		if lower, again = k.reader.block(ctx, k.first(), h); again == nil {
			return lower, nil
		}
	}
	return below, err
}

// readsLowest reads the block with which a run begins on every node: what the file says of new blocks need not fit it.
func (k *checker) readsLowest(ctx context.Context) (string, error) {
	return k.each(ctx, expressionTimeout+2*k.net.interval, func(m *member) (string, error) {
		top, _, err := k.reader.height(ctx, m)
		if err != nil {
			return "", err
		}
		height := k.chain.store.from(top) + 1
		b, err := k.reader.block(ctx, m, height)
		for next := height + 1; err != nil && noBlock(err) && next < min(top, height+maxPoll); next++ { // the chain may skip heights
			if x, again := k.reader.block(ctx, m, next); again == nil && k.standsOnStart(ctx, m, x, height-1) {
				b, err = x, nil
			}
		}
		return fmt.Sprintf("at height %d", b.Height), err
	})
}

// standsOnStart says whether a block stands on the one at a height, where that can be read: those in between do not exist.
func (k *checker) standsOnStart(ctx context.Context, m *member, b trace.Block, height uint64) bool {
	start, err := k.reader.block(ctx, m, height)
	return err == nil && b.Parent == start.Hash
}

// maxClockOffset is how far a block's time may be from now, ten block intervals on top.
const maxClockOffset = time.Minute

func (k *checker) timeFits(context.Context) (string, error) {
	now := k.clock.Epoch().Add(k.clock.Now())
	away := now.Sub(k.block.Time)
	if away.Abs() > maxClockOffset+10*k.net.interval {
		return "", &mismatchError{
			text: fmt.Sprintf("the newest block is of %s, and now it is %s", k.block.Time.Format(time.RFC3339), now.UTC().Format(time.RFC3339)),
			at:   at(k.file, k.file.Observe.Block.Time.Pos), hint: "times are seconds since 1970 or RFC 3339; divide milliseconds by 1000. Is the genesis of {{.Start}}?",
		}
	}
	return rounded(max(away, 0)) + " ago", nil
}

// finalizes reads the final height, which no head may be below. Nodes may say for a while that nothing is final yet.
func (k *checker) finalizes(ctx context.Context) (string, error) {
	o := k.file.Observe.Finalized
	value := ""
	for _, m := range k.net.nodes {
		shown, none := "", false
		err := k.await(ctx, k.growWithin(), func() error {
			answer, err := k.call(ctx, m, o.Calls, nil)
			if err != nil {
				return err
			}
			final, err := k.final(ctx, m, answer)
			if err != nil {
				return err
			}
			if final == nil {
				none = pathHint(o.JQ.Source, answer) == "" // else it is the expression that finds nothing
				return k.unexpected(m, nameFinalized, o.JQ, nil, answer, "a height")
			}
			none, shown = false, fmt.Sprint(*final)
			head, _, err := k.reader.height(ctx, m)
			if err == nil && *final > head {
				err = &mismatchError{text: fmt.Sprintf("node %s calls height %d final, and its head is at %d", m.ID, *final, head), at: at(k.file, o.JQ.Pos)}
			}
			return err
		})
		switch {
		case none && ctx.Err() == nil:
			value = "null: nothing yet"
		case err != nil:
			return "", err
		case m == k.first():
			value = shown
		}
	}
	return value, nil
}

func (k *checker) hasLeader(ctx context.Context) (string, error) {
	return k.each(ctx, expressionTimeout+2*k.net.interval, func(m *member) (string, error) {
		leader, err := k.leader(ctx, m)
		return "node " + string(leader), err
	})
}

// notifies waits until the first node announces a block: by a message, to which it subscribes, or by a line that it prints.
func (k *checker) notifies(ctx context.Context) (value string, err error) {
	a, m := k.file.Observe.Arrival, k.first()
	notified, ended := k.notified, make(chan error, 1)
	if a.Websocket != nil {
		var stop func()
		notified, stop = k.subscribe(ctx, m, ended)
		defer stop()
	}
	next := k.clock.Now() + k.net.interval
	var failed error
	err = k.await(ctx, k.growWithin(), func() error {
		select {
		case n := <-notified:
			value = announced(n)
			return nil
		case failed = <-ended:
		default:
		}
		if failed != nil {
			return failed
		}
		if err := k.makeBlockAt(ctx, &next); err != nil {
			return err
		}
		return errNotNotified
	})
	switch {
	case !errors.Is(err, errNotNotified):
		return value, err
	case a.Log != nil:
		return "", &mismatchError{
			text: fmt.Sprintf("within %s node %s printed no line that matches %s", rounded(k.growWithin()), m.ID, a.Log.Source),
			at:   at(k.file, a.Log.Pos), hint: "compare the pattern with what the node prints of a block; does it print that without a flag?",
			node: m, look: true,
		}
	}
	return "", &mismatchError{
		text: fmt.Sprintf("node %s was subscribed to for %s, and no message announced a block", m.ID, rounded(k.growWithin())),
		at:   at(k.file, a.Websocket.Pos), hint: "is `send` what the node expects, and do `hash` and `height` fit its messages?",
	}
}

var errNotNotified = errors.New("no block was announced")

// makeBlockAt makes a block at the first node, where they are made on command, each time that an interval is over.
func (k *checker) makeBlockAt(ctx context.Context, next *time.Duration) error {
	if k.file.Act.MakeBlock == nil || k.clock.Now() < *next {
		return nil
	}
	*next = k.clock.Now() + k.net.interval
	return k.chain.makeBlock(ctx, k.first().ID)
}

// subscribe subscribes to a node until stop is called. The error with which the subscription ended goes to ended.
func (k *checker) subscribe(ctx context.Context, m *member, ended chan<- error) (notified <-chan chain.Notification, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	first, done := make(chan chain.Notification, 1), make(chan struct{})
	go func() {
		defer close(done)
		ended <- k.chain.subscribe(ctx, m.ID, func(n chain.Notification) {
			select {
			case first <- n:
			default:
			}
		})
	}()
	return first, func() {
		cancel()
		<-done
	}
}

// announced says what a notification announces.
func announced(n chain.Notification) string {
	switch {
	case n.Hash == "":
		return fmt.Sprintf("a block at height %d", n.Height)
	case n.Height == 0:
		return "block " + shortHash(n.Hash)
	}
	return fmt.Sprintf("block %s at height %d", shortHash(n.Hash), n.Height)
}

// submits submits a transaction to the first node, which pays the last.
func (k *checker) submits(ctx context.Context) (value string, err error) {
	last := k.net.nodes[len(k.net.nodes)-1]
	if k.above, _, err = k.reader.height(ctx, last); err != nil {
		return "", err
	}
	k.sent = k.clock.Now()
	err = k.await(ctx, k.growWithin(), func() (err error) {
		k.tx, err = k.chain.Client(k.first().ID).Transfer(ctx, last.ID, 1)
		return err
	})
	return shortHash(k.tx), err
}

// includes waits until the last node has the transaction in a block.
func (k *checker) includes(ctx context.Context) (value string, err error) {
	switch {
	case k.file.Act.Submit == nil:
		return "", skipError("needs act.submit")
	case k.file.Observe.Block.Txs == nil:
		return "", skipError("needs observe.block.txs")
	case !k.works(nameSubmit):
		return "", skipError("act.submit failed")
	case !k.works(nameTxs):
		return "", skipError("observe.block.txs does not work")
	}
	last := k.net.nodes[len(k.net.nodes)-1]
	var listed []string
	scanned := k.above + 1
	next := k.clock.Now()
	err = k.await(ctx, k.growWithin(), func() error {
		if err := k.makeBlockAt(ctx, &next); err != nil {
			return err
		}
		height, _, err := k.reader.height(ctx, last)
		if err != nil {
			return err
		}
		for ; scanned <= height; scanned++ {
			b, err := k.reader.block(ctx, last, scanned)
			if err != nil {
				return err
			}
			if slices.Contains(b.Txs, k.tx) {
				value = fmt.Sprintf("%d of %s, after %s", b.Height, last.ID, rounded(k.clock.Now()-k.sent))
				return nil
			}
			for _, tx := range b.Txs {
				listed = append(listed, shortHash(tx))
			}
		}
		return k.notIncluded(last, scanned, listed)
	})
	return value, err
}

// notIncluded is the error about the transaction that is in no block.
func (k *checker) notIncluded(last *member, scanned uint64, listed []string) error {
	const shown = 3
	m := &mismatchError{
		text: fmt.Sprintf("transaction %s, submitted to %s, is in none of the blocks %d to %d of %s", k.tx, k.first().ID, k.above+1, max(k.above+1, scanned)-1, last.ID),
		at:   at(k.file, k.file.Observe.Block.Txs.Pos), hint: "these blocks list no transactions: does the node accept this one at all?",
		look: true,
	}
	if len(listed) > 0 {
		m.text += "; they list " + strings.Join(listed[:min(len(listed), shown)], ", ")
		m.hint = "the jq of act.submit must name a transaction as that of observe.block.txs does"
	}
	return m
}

// agrees checks that two nodes are one network: they share blocks.
func (k *checker) agrees(ctx context.Context) (value string, err error) {
	a, b := k.first(), k.net.nodes[1]
	err = k.await(ctx, k.growWithin(), func() error {
		low, _, err := k.reader.height(ctx, a)
		if err != nil {
			return err
		}
		other, _, err := k.reader.height(ctx, b)
		if err != nil {
			return err
		}
		if low = min(low, other); low == 0 {
			return &mismatchError{text: fmt.Sprintf("node %s still has no block", b.ID), node: b, look: true, hint: "are the nodes connected? What they printed may tell"}
		}
		one, err := k.reader.block(ctx, a, low)
		if err != nil {
			return err
		}
		two, err := k.reader.block(ctx, b, low)
		if err != nil {
			return err
		}
		if one.Hash != two.Hash {
			return &mismatchError{
				text: fmt.Sprintf("at height %d node %s has block %s and node %s has %s", low, a.ID, one.Hash, b.ID, two.Hash), node: b, look: true,
				hint: "these are two networks: do both nodes have the same genesis, and do they know of each other?",
			}
		}
		value = fmt.Sprintf("at height %d", low)
		return nil
	})
	return value, err
}

// propagates follows the next block of the first node to the second.
func (k *checker) propagates(ctx context.Context) (string, error) {
	if !k.works(rowOneChain) {
		return "", skipError("the nodes have no common chain")
	}
	a, b := k.first(), k.net.nodes[1]
	from, _, err := k.reader.height(ctx, a)
	if err == nil && k.file.Act.MakeBlock != nil {
		err = k.chain.makeBlock(ctx, a.ID)
	}
	if err != nil {
		return "", err
	}
	var seen time.Duration
	var hash trace.Hash
	err = k.await(ctx, k.growWithin(), func() error {
		height, _, err := k.reader.height(ctx, a)
		if err == nil && height <= from {
			err = fmt.Errorf("node %s makes no more blocks", a.ID)
		}
		if err != nil {
			return err
		}
		x, err := k.reader.block(ctx, a, from+1)
		seen, hash = k.clock.Now(), x.Hash
		return err
	})
	if err != nil {
		return "", err
	}
	err = k.await(ctx, k.growWithin(), func() error {
		height, _, err := k.reader.height(ctx, b)
		if err == nil && height <= from {
			err = &mismatchError{
				text: fmt.Sprintf("node %s has block %s at height %d, node %s is still at height %d", a.ID, hash, from+1, b.ID, height), node: b, look: true,
				hint: "are the nodes connected? What they printed may tell",
			}
		}
		if err != nil {
			return err
		}
		x, err := k.reader.block(ctx, b, from+1)
		if err == nil && x.Hash != hash {
			err = &mismatchError{text: fmt.Sprintf("at height %d node %s has block %s and node %s has %s", from+1, a.ID, hash, b.ID, x.Hash)}
		}
		return err
	})
	return "within " + rounded(max(k.clock.Now()-seen, retryInterval)), err
}
