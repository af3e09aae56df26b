package external

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
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

// Finding is one row of a check: an observation, an action, or whether answers fit together. It holds no secrets.
type Finding struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	// Value is what was got, in short.
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
	// Look is true when what the node printed may tell more: all but answers of which an expression makes nothing.
	Look bool `json:"look_at_its_log,omitempty"`
}

// Clock is the time of the network whose nodes are checked.
type Clock interface {
	Now() time.Duration
	Epoch() time.Time
	Sleep(ctx context.Context, until time.Duration) error
}

const (
	// answerWithin is how long a node may take to answer for the first time.
	answerWithin = 30 * time.Second
	// useless is how long answers of which nothing can be made are borne with; two block intervals come on top.
	useless = 5 * time.Second
	// growBase and growIntervals bound the wait for something that takes blocks: blocks that come by chance are that late
	// once in twenty thousand times.
	growBase      = 15 * time.Second
	growIntervals = 10
	// askAgain is how long after an answer the next question is asked.
	askAgain = 50 * time.Millisecond
)

// check is a check in progress.
type check struct {
	*Chain
	clock    Clock
	heard    <-chan chain.Notification
	progress func(string)
	interval time.Duration
	found    map[string]Finding
	why      string // what is not tried is not tried because of
}

// Check tries out all that the chain file says on the nodes of the prepared network, which must have been started, and
// whether the answers fit together. It returns a finding for each of the same rows, whatever happens; when ctx ends the
// rest is not tried. heard gives the blocks of which lines that nodes print tell, see Capabilities.ParseNotification; the first that is not yet
// taken is enough. progress, if not nil, is told what takes long.
func (c *Chain) Check(ctx context.Context, clock Clock, heard <-chan chain.Notification, progress func(string)) []Finding {
	if progress == nil {
		progress = func(string) {}
	}
	k := &check{Chain: c, clock: clock, heard: heard, progress: progress, interval: c.data["BlockInterval"].(time.Duration), found: make(map[string]Finding)}
	k.absent()
	if err := k.run(ctx); err != nil && ctx.Err() != nil {
		k.why = "not tried: " + c.secrets.text(context.Cause(ctx).Error())
	}
	out := make([]Finding, 0, len(checkRows))
	for _, row := range checkRows {
		f, ok := k.found[row.name]
		switch {
		case ok:
		case row.pair && len(c.order) < 2:
			f = Finding{Outcome: Skipped, Note: "needs two nodes"}
		default:
			f = Finding{Outcome: Skipped, Note: k.why}
		}
		f.Name = row.name
		f.Value = c.secrets.text(f.Value)
		out = append(out, f)
	}
	return out
}

// errStop ends a check whose nodes give no answers that it could go on with.
var errStop = errors.New("stop")

// run goes through the steps of a check. What a step needs of those before it is there when it is reached.
func (k *check) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		k.answer, k.genesis, k.introduced, k.connected, k.warm, k.grow, k.blocks, k.finality, k.fits, k.leads, k.arrival, k.transaction, k.together,
	} {
		if err := step(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// works notes that something works.
func (k *check) works(name, format string, args ...any) {
	k.found[name] = Finding{Outcome: Works, Value: fmt.Sprintf(format, args...)}
}

// skip notes that something was not tried, and why.
func (k *check) skip(why string, names ...string) {
	for _, name := range names {
		if _, ok := k.found[name]; !ok {
			k.found[name] = Finding{Outcome: Skipped, Note: why}
		}
	}
}

// fail notes that something failed. A check that was interrupted has not failed.
func (k *check) fail(ctx context.Context, name string, err error) {
	if ctx.Err() != nil {
		return
	}
	k.found[name] = Finding{Outcome: Failed, Problem: k.problem(err)}
}

// problem takes an error apart.
func (k *check) problem(err error) *Problem {
	p := &Problem{Text: k.secrets.text(err.Error()), Node: string(k.order[0].node.ID), Look: true}
	var answer *AnswerError
	var call *CallError
	var fit *misfit
	switch {
	case errors.As(err, &answer):
		p.Node, p.At, p.JQ, p.Got, p.Reply, p.Hint = string(answer.Node), answer.At, answer.JQ, answer.Problem, answer.Reply, answer.Hint()
		p.Look = false
	case errors.As(err, &call):
		p.Node, p.At, p.Hint = string(call.Node), call.At, call.Hint()
	case errors.As(err, &fit):
		p.At, p.Hint, p.Look = fit.at, fit.hint, fit.look
		if fit.node != nil {
			p.Node = string(fit.node.node.ID)
		}
	}
	return p
}

// misfit is what is wrong with answers that can be read but do not fit together.
type misfit struct {
	text, at, hint string
	node           *node // whose log may tell more, if look; nil: the first one's
	look           bool
}

// Error implements error.
func (m *misfit) Error() string { return m.text }

// await tries again and again until it works, the time is over or ctx ends, and returns the last error.
func (k *check) await(ctx context.Context, within time.Duration, try func() error) error {
	deadline := k.clock.Now() + within
	answered := time.Duration(-1) // since when the answers are of no use
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
		switch {
		case !errors.As(err, &answer):
			answered = -1
		case answered < 0:
			answered = now
		case now-answered > useless+2*k.interval:
			return err
		}
		if now > deadline {
			return err
		}
		if err := k.clock.Sleep(ctx, now+askAgain); err != nil {
			return err
		}
	}
}

// growWithin is how long something may take that needs blocks.
func (k *check) growWithin() time.Duration { return growBase + growIntervals*k.interval }

// answer waits until every node is ready and tells its height and its head.
func (k *check) answer(ctx context.Context) error {
	for _, n := range k.order {
		k.progress(fmt.Sprintf("waiting for node %s to answer", n.node.ID))
		if k.file.Ready != nil {
			if err := k.await(ctx, answerWithin, func() error { return k.ready(ctx, n) }); err != nil {
				k.fail(ctx, rowReady, err)
				k.why = "the node was not ready"
				return errStop
			}
			k.works(rowReady, "yes")
		}
		err := k.await(ctx, answerWithin, func() error {
			height, _, err := k.height(ctx, n)
			if err == nil && n == k.order[0] {
				k.works(rowHeight, "%d", height)
			}
			return err
		})
		if err != nil {
			k.fail(ctx, rowHeight, err)
			k.why = "the height is not known"
			return errStop
		}
		err = k.await(ctx, answerWithin, func() error {
			t, err := k.tip(ctx, n)
			if err == nil && n == k.order[0] {
				k.works(rowHeight, "%d", t.height)
				k.works(rowHead, "%s", shortHash(t.hash))
			}
			return err
		})
		if err != nil {
			k.fail(ctx, rowHead, err)
			k.why = "the head is not known"
			return errStop
		}
	}
	return nil
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

// since writes a time that passed.
func since(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }
