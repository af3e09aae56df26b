package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/testnets"
)

func (e *env) upCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "up",
		Usage:     "spin up a testnet and leave it to you",
		ArgsUsage: "[SCENARIO]",
		Description: "Starts the nodes of SCENARIO (default: quickstart) in containers, without its load and faults, and prints\n" +
			"where to reach them. The testnet is removed at Ctrl-C, or by `netsplit down` when started with --detach.",
		Flags: append(specFlags(), chainFlag(), jsonFlag(),
			&ucli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "return when the testnet is up and leave it running"}),
		Action: e.up,
	}
}

func (e *env) up(c *ucli.Context) error {
	spec, err := e.specOf(c, "quickstart")
	if err != nil {
		return err
	}
	id, err := newID(spec.Name)
	if err != nil {
		return err
	}
	detach := c.Bool("detach")
	h, err := e.openHost(c, spec, id, !detach)
	if err != nil {
		return err
	}
	if h.name == runtimeSim {
		return noAddresses(c)
	}
	dir, err := newRunDir(c.String(flagOut), id, spec, calledAs(c))
	if err != nil {
		return err
	}
	e.announce(spec, h)
	watch := newWatch()
	t, err := e.start(c.Context, spec, h, dir, watch)
	if err == nil {
		err = e.showNodes(c, t)
	}
	if err == nil && detach {
		fmt.Fprintf(e.err, "testnet %s is up; `netsplit down %s` removes it\n", id, id)
		e.sayHowBlocksCome(t, detach)
		return nil
	}
	if err == nil {
		fmt.Fprintf(e.err, "testnet %s is up; Ctrl-C removes it\n", id)
		e.sayHowBlocksCome(t, detach)
		e.attend(c.Context, t, watch)
	}
	return errors.Join(err, e.closeHost(c.Context, h), removeState(dir, id))
}

// sayHowBlocksCome tells the user of a chain whose blocks are made on command who gives the command.
func (e *env) sayHowBlocksCome(t *run.Testnet, detach bool) {
	if t.Chain.Capabilities().MakeBlock == nil {
		return
	}
	if !detach {
		fmt.Fprintf(e.err, "this chain makes blocks on command: one every %v on average, until Ctrl-C\n", t.Facts.BlockInterval)
		return
	}
	fmt.Fprintf(e.err, "this chain makes blocks on command: netsplit block make %s\n", firstMiner(t))
}

// attend lets blocks be made, where that takes a command, and tells of nodes that end, until the user ends the testnet.
func (e *env) attend(ctx context.Context, t *run.Testnet, watch *watch) {
	clock := t.Runtime.Clock()
	run.StartBlockMakers(t, run.BlockMaking{
		Start:  func(_ string, task func(context.Context) error) { clock.Go(func() { _ = task(ctx) }) },
		Up:     func(faults.NodeID) bool { return true },
		Failed: func(faults.NodeID, error) error { return nil }, // a node that cannot make a block now may later
	})
	watch.tell(ctx, func(d death) {
		fmt.Fprintf(e.err, "%v; `netsplit fault heal` starts it again\n", &d)
	})
	clock.Wait()
}

// noAddresses is the error about a testnet that is to stay up in the simulator.
func noAddresses(c *ucli.Context) error {
	const hint = "`netsplit run` simulates a scenario from start to end"
	if c.String(flagRuntime) == runtimeSim {
		return usagef(hint, "up cannot use the simulator: its nodes have no addresses")
	}
	return infrastructure(errors.New("up needs a Docker Engine: simulated nodes have no addresses"),
		hint+"; `netsplit doctor` shows what was found")
}

// start brings the nodes up. A node that dies meanwhile ends that.
func (e *env) start(ctx context.Context, spec *testnets.Spec, h *host, dir string, sink *watch) (*run.Testnet, error) {
	p := e.newProgress()
	defer p.end()
	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := sink.during(cancel)
	defer stop()
	t, err := run.Up(starting, run.Options{
		ID: h.id, Spec: spec, Runtime: h.runtime, Chain: h.chain, Dir: dir, Sink: sink, Progress: p,
	})
	var died *death
	if t != nil && ctx.Err() == nil && errors.As(context.Cause(starting), &died) {
		return t, t.NodeDied(ctx, died.node, died.err)
	}
	return t, err
}

// watch is a runtime.Sink that only looks out for nodes that die.
type watch struct {
	died chan death

	mu       sync.Mutex
	starting context.CancelCauseFunc // of the start, while it goes on
}

// during has the first death end a context, of which it is the cause, until stop is called.
func (w *watch) during(cancel context.CancelCauseFunc) (stop func()) {
	set := func(cancel context.CancelCauseFunc) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.starting = cancel
	}
	set(cancel)
	return func() { set(nil) }
}

// death is the end of a node that this process did not ask for. A user may have, with `fault kill`.
type death struct {
	node faults.NodeID
	err  error
}

// Error implements error.
func (d *death) Error() string { return fmt.Sprintf("node %s ended: %v", d.node, d.err) }

// maxDeaths is how many deaths wait to be told; more are not told.
const maxDeaths = 100

func newWatch() *watch { return &watch{died: make(chan death, maxDeaths)} }

// Line implements runtime.Sink.
func (*watch) Line(faults.NodeID, time.Time, []byte) {}

// Gap implements runtime.Sink.
func (*watch) Gap(faults.NodeID, error) {}

// Exit implements runtime.Sink.
func (w *watch) Exit(node faults.NodeID, err error) {
	d := death{node, err}
	w.mu.Lock()
	cancel := w.starting
	w.mu.Unlock()
	if cancel != nil {
		cancel(&d)
		return
	}
	select {
	case w.died <- d:
	default:
	}
}

// tell calls told for each node that dies until ctx ends, which is how the user ends a testnet.
func (w *watch) tell(ctx context.Context, told func(death)) {
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-w.died:
			told(d)
		}
	}
}
