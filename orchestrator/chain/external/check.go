package external

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// Outcome says what came of one row of a check.
type Outcome string

// The outcomes.
const (
	Works   Outcome = "ok"
	Failed  Outcome = "failed"
	Absent  Outcome = "absent"  // the chain file does not say how
	Skipped Outcome = "skipped" // it was not tried
)

// Finding is one row of a check: an observation, an action, or whether replies fit together. It holds no secrets.
type Finding struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	// Value is what was read, in short.
	Value string `json:"value,omitempty"`
	// Note is what it costs that the file does not say how, or why it was not tried.
	Note    string   `json:"note,omitempty"`
	Problem *Problem `json:"problem,omitempty"` // of what failed
}

// Problem is why something failed.
type Problem struct {
	Text string `json:"text"` // all of it, in one line
	Node string `json:"node,omitempty"`
	// At is the place in the chain file: file, line and column. JQ is the expression there, Reply what it was applied to
	// and Got what came of it, where an expression failed.
	At    string `json:"at,omitempty"`
	JQ    string `json:"jq,omitempty"`
	Got   string `json:"got,omitempty"`
	Reply string `json:"reply,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Look is true when what the node printed may tell more: all but replies to which an expression does not fit.
	Look bool `json:"look_at_its_log,omitempty"`
}

// Clock is the time of the network whose nodes are checked.
type Clock interface {
	Now() time.Duration
	Epoch() time.Time
	Sleep(ctx context.Context, until time.Duration) error
}

// The rows of a check that are no parts of a chain file: whether its parts fit together.
const (
	rowSameHead  = "head is block at its height"
	rowLinked    = "parent is the block below"
	rowLowest    = "lowest block of a run"
	rowClock     = "block time is now"
	rowGrows     = "the chain grows"
	rowIncluded  = "transaction is in a block"
	rowOneChain  = "both nodes have one chain"
	rowPropagate = "block reaches the other node"
)

// checkRow is a row of a check.
type checkRow struct {
	name string
	// try tries it out and returns what it gave, in short. A skipError says that it cannot be tried.
	try func(k *checker, ctx context.Context) (value string, err error)
	// has reports whether the chain file says how; nil: it always does. cost is what it costs if not.
	has   func(*chainspec.Chain) bool
	cost  string
	pair  bool   // it needs two nodes
	doing string // what is going on, for people; empty: nothing that takes long
	stop  string // why nothing else is tried when it fails; empty: the rest is
}

// checkRows are the rows in the order in which they are tried and shown.
var checkRows = []checkRow{
	{name: nameReady, try: (*checker).isReady, doing: "waiting for the nodes to answer", stop: "the node was not ready",
		has: func(f *chainspec.Chain) bool { return f.Ready != nil }, cost: "a node is ready when it answers with its height"},
	{name: nameHeight, try: (*checker).hasHeight, doing: "waiting for the nodes to answer", stop: "the height is not known"},
	{name: nameHead, try: (*checker).hasHead, stop: "the head is not known"},
	{name: nameGenesis, try: (*checker).hasGenesis,
		has: func(f *chainspec.Chain) bool { return f.Observe.Genesis != nil }, cost: "networks are compared by block 0 alone"},
	{name: nameFirst, try: (*checker).givesFirstBlock,
		has: func(f *chainspec.Chain) bool { return f.FirstBlock != nil }, cost: "nodes are connected without a common block"},
	{name: nameConnect, try: (*checker).connects, pair: true},
	{name: namePeers, try: (*checker).hasPeers, doing: "waiting for the nodes to connect",
		has: func(f *chainspec.Chain) bool { return f.Observe.Peers != nil }, cost: "runs begin without knowing that nodes are connected"},
	{name: nameWarm, try: (*checker).warmsUp, doing: "making the first blocks",
		has: func(f *chainspec.Chain) bool { return len(f.WarmUp) > 0 }, cost: "the chain begins with the first block that is measured"},
	{name: nameMake, try: (*checker).makesBlocks, doing: "making blocks",
		has: func(f *chainspec.Chain) bool { return f.Act.MakeBlock != nil }, cost: "blocks come by themselves"},
	{name: rowGrows, try: (*checker).grows, doing: "waiting for blocks", stop: "the chain did not grow"},
	{name: nameHash, try: (*checker).readsBlocks},
	{name: nameParent, try: blockRow(nameParent)},
	{name: nameTime, try: blockRow(nameTime)},
	{name: nameProposer, try: blockRow(nameProposer),
		has: func(f *chainspec.Chain) bool { return f.Observe.Block.Proposer != nil }, cost: "evidence does not say who made a block"},
	{name: nameTxs, try: blockRow(nameTxs),
		has: func(f *chainspec.Chain) bool { return f.Observe.Block.Txs != nil }, cost: "inclusion cannot be judged"},
	{name: rowSameHead, try: (*checker).headFits},
	{name: rowLinked, try: (*checker).parentFits},
	{name: rowLowest, try: (*checker).readsLowest},
	{name: rowClock, try: (*checker).timeFits},
	{name: nameFinalized, try: (*checker).finalizes, doing: "waiting for a final block",
		has: func(f *chainspec.Chain) bool { return f.Observe.Finalized != nil }, cost: "blocks count as final by facts.fork_depth alone"},
	{name: nameLeader, try: (*checker).hasLeader,
		has: func(f *chainspec.Chain) bool { return f.Act.Leader != nil }, cost: "nobody knows who makes the next block"},
	{name: nameArrival, try: (*checker).notifies, doing: "waiting for a notification of a block",
		has: func(f *chainspec.Chain) bool { return f.Observe.Arrival != nil }, cost: "blocks are found by polling alone"},
	{name: nameSubmit, try: (*checker).submits, doing: "submitting a transaction",
		has: func(f *chainspec.Chain) bool { return f.Act.Submit != nil }, cost: "inclusion cannot be judged"},
	{name: rowIncluded, try: (*checker).includes},
	{name: rowOneChain, try: (*checker).agrees, pair: true, doing: "comparing the nodes"},
	{name: rowPropagate, try: (*checker).propagates, pair: true},
}

const (
	// defaultStartTimeout is how long nodes may take to answer for the first time, and then to connect.
	defaultStartTimeout = 30 * time.Second
	// expressionTimeout is how long expressions may fail on replies, and how long a node may not know a request; two block
	// intervals come on top.
	expressionTimeout = 5 * time.Second
	// growTimeout and growIntervals bound the wait for something that takes blocks: blocks at random times are that late
	// once in twenty thousand times.
	growTimeout   = 15 * time.Second
	growIntervals = 10
	// retryInterval is the time between two attempts.
	retryInterval = 50 * time.Millisecond
)

// checker tries out a chain file on running nodes. It owns the findings, and what one row hands on to later ones.
type checker struct {
	reader
	chain    *Chain
	clock    Clock
	notified <-chan chain.Notification // by lines that nodes print
	found    map[string]Finding

	startTimeout time.Duration // see CheckOptions

	stop string // why no other row is tried

	height  uint64 // of the first node, after it grew
	alone   bool   // the chain grows without a command
	samples []sample
	tip     tip
	block   trace.Block // at the head
	tx      trace.Hash
	sent    time.Duration // when tx was submitted
	above   uint64        // the height of the last node before that
}

// sample is a node's reply to the calls for its newest block.
type sample struct {
	member *member
	answer any
	block  trace.Block // as far as it was read
}

// skipError is why a row cannot be tried.
type skipError string

// Error implements error.
func (e skipError) Error() string { return string(e) }

// CheckOptions change how a chain file is tried out.
type CheckOptions struct {
	// StartTimeout is how long nodes may take to answer, and then to connect. Zero: 30 s.
	StartTimeout time.Duration
	// Progress, if not nil, is called with what takes long.
	Progress func(string)
}

// Check tries out all that the chain file says on the nodes of the prepared network, which must have been started, and
// whether the replies fit together. It returns a finding for each of the same rows, whatever happens; when ctx ends the
// rest is not tried. notified gives the blocks that lines which nodes print announce, see Capabilities.ParseNotification;
// the first that is not yet taken is enough.
func (c *Chain) Check(ctx context.Context, clock Clock, notified <-chan chain.Notification, o CheckOptions) []Finding {
	progress := o.Progress
	if progress == nil {
		progress = func(string) {}
	}
	k := &checker{
		reader: c.reader, chain: c, clock: clock, notified: notified, found: make(map[string]Finding),
		startTimeout: cmp.Or(o.StartTimeout, defaultStartTimeout),
	}
	for _, row := range checkRows {
		if k.stop == "" {
			k.run(ctx, row, progress)
		}
	}
	out := make([]Finding, 0, len(checkRows))
	for _, row := range checkRows {
		f, ok := k.found[row.name]
		if !ok {
			f = k.untried(row, k.stop)
		}
		f.Name, f.Value = row.name, c.secrets.text(f.Value)
		out = append(out, f)
	}
	return out
}

// untried is the finding of a row that has not been tried, for a reason; empty: none is needed.
func (k *checker) untried(row checkRow, why string) Finding {
	switch {
	case row.has != nil && !row.has(k.file):
		return Finding{Outcome: Absent, Note: row.cost}
	case row.pair && len(k.net.nodes) < 2:
		return Finding{Outcome: Skipped, Note: "needs two nodes"}
	}
	return Finding{Outcome: Skipped, Note: why}
}

// run tries out a row.
func (k *checker) run(ctx context.Context, row checkRow, progress func(string)) {
	if f := k.untried(row, ""); f.Note != "" {
		k.found[row.name] = f
		return
	}
	if row.doing != "" {
		progress(row.doing)
	}
	value, err := row.try(k, ctx)
	var skip skipError
	switch {
	case ctx.Err() != nil:
		k.stop = "not tried: " + k.secrets.text(context.Cause(ctx).Error())
	case err == nil:
		k.found[row.name] = Finding{Outcome: Works, Value: value}
	case errors.As(err, &skip):
		k.found[row.name] = Finding{Outcome: Skipped, Note: string(skip)}
	default:
		k.found[row.name] = Finding{Outcome: Failed, Problem: k.problem(err)}
	}
	if err != nil && k.stop == "" && row.stop != "" {
		k.stop = cmp.Or(string(skip), row.stop)
	}
}

// works reports whether a row was tried and works.
func (k *checker) works(name string) bool { return k.found[name].Outcome == Works }

// problem takes an error apart.
func (k *checker) problem(err error) *Problem {
	p := &Problem{Text: k.secrets.text(err.Error()), Node: string(k.net.nodes[0].ID), Look: true}
	var answer *AnswerError
	var call *CallError
	var mismatch *mismatchError
	switch {
	case errors.As(err, &answer):
		p.Node, p.At, p.JQ, p.Got, p.Reply, p.Hint = string(answer.Node), answer.At, answer.JQ, answer.Problem, answer.Reply, answer.Hint()
		p.Look = false
	case errors.As(err, &call):
		p.Node, p.At, p.Hint = string(call.Node), call.At, call.Hint()
	case errors.As(err, &mismatch):
		p.At, p.Hint, p.Look = mismatch.at, mismatch.hint, mismatch.look
		if mismatch.node != nil {
			p.Node = string(mismatch.node.ID)
		}
	}
	return p
}

// mismatchError is about replies that can be read but do not fit together.
type mismatchError struct {
	text, at, hint string
	node           *member // whose log may tell more, if look; nil: the first one's
	look           bool
}

// Error implements error.
func (m *mismatchError) Error() string { return m.text }

// await tries again and again until it works, the time is over or ctx ends, and returns the last error.
func (k *checker) await(ctx context.Context, within time.Duration, try func() error) error {
	deadline := k.clock.Now() + within
	since := time.Duration(-1) // when expressions began to fail on the replies, or the node not to know the request
	for {
		err := try()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		now := k.clock.Now()
		var answer *AnswerError
		var call *CallError
		switch {
		case !errors.As(err, &answer) && !(errors.As(err, &call) && call.unknownRequest()):
			since = -1
		case since < 0:
			since = now
		case now-since > expressionTimeout+2*k.net.interval:
			return err
		}
		if now > deadline {
			return err
		}
		if err := k.clock.Sleep(ctx, now+retryInterval); err != nil {
			return err
		}
	}
}

// each awaits something of every node in turn, and returns what the first one gave.
func (k *checker) each(ctx context.Context, within time.Duration, try func(m *member) (string, error)) (first string, err error) {
	for i, m := range k.net.nodes {
		err := k.await(ctx, within, func() error {
			value, err := try(m)
			if i == 0 {
				first = value
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return first, nil
}

// growWithin is how long something may take that needs blocks.
func (k *checker) growWithin() time.Duration { return growTimeout + growIntervals*k.net.interval }

// Shown is what a chain showed in a check, as far as verdicts depend on it.
type Shown struct {
	Blocks bool // blocks can be read, and each has the one below as its parent
	Submit bool // transactions can be submitted
	Txs    bool // blocks list their transactions
	Peers  bool // each node says how many peers it has
}

// ShownBy sums up a check's findings.
func ShownBy(findings []Finding) Shown {
	of := make(map[string]Outcome, len(findings))
	for _, f := range findings {
		of[f.Name] = f.Outcome
	}
	blocks := []string{nameHeight, nameHead, nameHash, nameParent, nameTime, rowSameHead, rowLinked, rowLowest, rowGrows}
	return Shown{
		Blocks: !slices.ContainsFunc(blocks, func(name string) bool { return of[name] != Works }),
		Submit: of[nameSubmit] == Works,
		Peers:  of[namePeers] == Works,
		Txs:    of[nameTxs] == Works && of[rowIncluded] != Failed,
	}
}

// shortHash is the beginning of a hash.
func shortHash(h trace.Hash) string {
	const shown = 16
	switch {
	case h == "":
		return "none"
	case len(h) <= shown:
		return string(h)
	}
	return string(h[:shown]) + "…"
}

// rounded writes a time that passed.
func rounded(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }
