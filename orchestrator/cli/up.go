package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func upCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "up",
		Usage:     "start a testnet and leave it running",
		ArgsUsage: "[SCENARIO]",
		Description: "Starts the nodes of SCENARIO (default: quickstart) in containers, without its load and faults, and prints " +
			"how to reach them. Ctrl-C removes the testnet; with --detach, `netsplit down` does.",
		Flags: append(startFlags(), jsonFlag(),
			&ucli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "return when the testnet is up and leave it running"}),
		Action: func(c *ucli.Context) error {
			o := startOptionsOf(c)
			if o.scenario == "" {
				o.scenario = "quickstart"
			}
			return up(c.Context, e, e.output(c), o, c.Bool("detach"))
		},
	}
}

// up starts a testnet and prints how to reach its nodes. Unless it is detached it stays until ctx ends.
func up(ctx context.Context, e *env, out output, o startOptions, detach bool) error {
	spec, err := o.load(ctx)
	if err != nil {
		return err
	}
	id, err := newID(spec.Name)
	if err != nil {
		return err
	}
	h, err := openHost(ctx, hostOptions{startOptions: &o, spec: spec, id: id, lease: !detach, log: e.stderr})
	if err != nil {
		return err
	}
	if h.name == runtimeSim {
		return noAddresses(o.runtime)
	}
	dir, err := newRunDir(o.out, id, markCall(spec.Source, o.commandLine()))
	if err != nil {
		return err
	}
	h.announce(e.stderr, spec)
	exits := newExitWatch()
	t, err := startTestnet(ctx, e, run.Options{
		ID: h.id, Spec: spec, Runtime: h.runtime, Chain: h.chain, Dir: dir, Sink: exits, StartTimeout: o.waitForStart(),
	}, exits)
	if err == nil {
		err = printNodes(ctx, out, t, dir)
	}
	if err == nil && detach {
		fmt.Fprintf(e.stderr, "testnet %s is up; `netsplit down %s` removes it\n", id, id)
		if t.Chain.Capabilities().MakeBlock != nil {
			fmt.Fprintf(e.stderr, "this chain makes blocks on command: netsplit block make %s\n", firstMiner(t))
		}
		return nil
	}
	if err == nil {
		fmt.Fprintf(e.stderr, "testnet %s is up; Ctrl-C removes it\n", id)
		if t.Chain.Capabilities().MakeBlock != nil {
			fmt.Fprintf(e.stderr, "this chain makes blocks on command: one every %v on average, until Ctrl-C\n", t.Facts.BlockInterval)
		}
		attend(ctx, e, t, exits)
	}
	return errors.Join(err, h.close(ctx), removeRunDir(dir, id))
}

// noAddresses is the error about a testnet that is to stay up in the simulator.
func noAddresses(requested string) error {
	const hint = "`netsplit run` simulates a scenario from start to end"
	if requested == runtimeSim {
		return usagef(hint, "up cannot use the simulator: its nodes have no addresses")
	}
	return infrastructure(errors.New("up needs a Docker Engine: simulated nodes have no addresses"),
		hint+"; `netsplit doctor` shows what was found")
}

// startTestnet brings the nodes up. A node that exits meanwhile ends that.
func startTestnet(ctx context.Context, e *env, o run.Options, exits *exitWatch) (*run.Testnet, error) {
	p := newProgress(e)
	defer p.end()
	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	exits.onExit(cancel)
	defer exits.onExit(nil)
	o.Progress = p
	t, err := run.Up(starting, o)
	var exit *nodeExitError
	if t != nil && ctx.Err() == nil && errors.As(context.Cause(starting), &exit) {
		return t, t.NodeDied(ctx, exit.node, exit.err)
	}
	return t, err
}

// attend makes blocks, where that takes a command, and prints which nodes exit, until ctx ends.
func attend(ctx context.Context, e *env, t *run.Testnet, exits *exitWatch) {
	clock := t.Runtime.Clock()
	run.StartBlockMakers(t, run.BlockMaking{
		Start:  func(_ string, task func(context.Context) error) { clock.Go(func() { _ = task(ctx) }) },
		Up:     func(faults.NodeID) bool { return true },
		Failed: func(faults.NodeID, error) error { return nil }, // a node that cannot make a block now may later
	})
	exits.report(ctx, func(exit *nodeExitError) {
		fmt.Fprintf(e.stderr, "%v; `netsplit fault heal` starts it again\n", exit)
	})
	clock.Wait()
}

// exitWatch is a runtime.Sink that only watches for nodes that exit.
type exitWatch struct {
	exited chan *nodeExitError

	mu     sync.Mutex
	cancel context.CancelCauseFunc // nil: exits are reported
}

// nodeExitError is the exit of a node that this process did not cause. A user may have, with `fault kill`.
type nodeExitError struct {
	node faults.NodeID
	err  error
}

// Error implements error.
func (e *nodeExitError) Error() string { return fmt.Sprintf("node %s exited: %v", e.node, e.err) }

// maxExits is how many exits wait to be reported; more are dropped.
const maxExits = 100

func newExitWatch() *exitWatch { return &exitWatch{exited: make(chan *nodeExitError, maxExits)} }

// onExit has the next exits cancel a context, with a nodeExitError as the cause, instead of being reported. nil ends that.
func (w *exitWatch) onExit(cancel context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel = cancel
}

// Line implements runtime.Sink.
func (*exitWatch) Line(faults.NodeID, time.Time, []byte) {}

// Gap implements runtime.Sink.
func (*exitWatch) Gap(faults.NodeID, error) {}

// Exit implements runtime.Sink.
func (w *exitWatch) Exit(node faults.NodeID, err error) {
	exit := &nodeExitError{node, err}
	w.mu.Lock()
	cancel := w.cancel
	w.mu.Unlock()
	if cancel != nil {
		cancel(exit)
		return
	}
	select {
	case w.exited <- exit:
	default:
	}
}

// External implements runtime.Sink. The user may act on the testnet from elsewhere; what ends a process is reported.
func (w *exitWatch) External(node faults.NodeID, err *runtime.ExternalError) {
	if err.Ended() {
		w.Exit(node, fmt.Errorf("it was %s by another process", err.What))
	}
}

// report calls show for each node that exits, until ctx ends.
func (w *exitWatch) report(ctx context.Context, show func(*nodeExitError)) {
	for {
		select {
		case <-ctx.Done():
			return
		case exit := <-w.exited:
			show(exit)
		}
	}
}

// startedTestnet is what `up --json` prints.
type startedTestnet struct {
	Testnet   string    `json:"testnet"`   // what other commands name it by
	Directory string    `json:"directory"` // of the run
	Nodes     []nodeRow `json:"nodes"`
}

// nodeRow is what `up` prints of a node. The credentials and keys are those of this testnet alone.
type nodeRow struct {
	Node  string  `json:"node"`
	Role  string  `json:"role"`
	Addr  string  `json:"address"` // on the testnet's network
	RPC   string  `json:"rpc"`     // URL on this host
	Mines float64 `json:"mines"`
	Peers int     `json:"peers"`

	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	Token    string `json:"token,omitempty"`

	ChainID    string `json:"chain_id,omitempty"`
	Account    string `json:"account,omitempty"`
	PrivateKey string `json:"private_key,omitempty"`
	Funds      string `json:"funds,omitempty"`

	Example string `json:"example,omitempty"` // a command that queries the node
}

// nodeRows are the rows of a testnet's nodes; access is parallel to them, or empty.
func nodeRows(t *run.Testnet, access []chain.Access) []nodeRow {
	var rows []nodeRow
	for i, n := range t.Network.Nodes {
		r := nodeRow{Node: string(n.ID), Role: n.Role, Addr: n.Addr.String(), Mines: n.Mine, Peers: len(n.Peers)}
		if len(access) > 0 {
			a := access[i]
			r.RPC, r.User, r.Password, r.Token = a.URL.String(), a.User, a.Password, a.Token
			r.ChainID, r.Account, r.PrivateKey, r.Funds = a.ChainID, a.Account, a.PrivateKey, a.Funds
			r.Example = a.Example(a.URL.Host)
		}
		rows = append(rows, r)
	}
	return rows
}

// printNodes prints how nodes are reached, which accounts they have, and a command to try. Empty columns are left
// out.
func printNodes(ctx context.Context, out output, t *run.Testnet, dir string) error {
	access, err := t.Access(ctx)
	if err != nil {
		return infrastructure(fmt.Errorf("find out how to reach the nodes: %w", err), "")
	}
	nodes := nodeRows(t, access)
	if out.json {
		return out.value(startedTestnet{Testnet: t.ID, Directory: dir, Nodes: nodes})
	}
	header, rows := nodeTable(nodes)
	if err := out.table(nil, header, rows); err != nil {
		return err
	}
	if header, rows := accountTable(nodes); len(header) > 1 {
		out.printf("\n")
		if err := out.table(nil, header, rows); err != nil {
			return err
		}
	}
	if example := nodes[0].Example; example != "" {
		out.printf("\n  try: %s\n", example)
	}
	return nil
}

// nodeTable is how nodes are reached.
func nodeTable(nodes []nodeRow) (header []string, rows [][]string) {
	for _, n := range nodes {
		mines := ""
		if n.Mines > 0 {
			mines = fmt.Sprintf("%g/s", n.Mines)
		}
		rows = append(rows, []string{
			n.Node, n.Role, n.Addr, mines, fmt.Sprint(n.Peers), n.RPC, n.User, n.Password, n.Token, n.ChainID,
		})
	}
	return filled([]string{"node", "role", "address", "mines", "peers", "RPC", "user", "password", "token", "chain id"}, rows)
}

// accountTable is which accounts nodes have.
func accountTable(nodes []nodeRow) (header []string, rows [][]string) {
	for _, n := range nodes {
		rows = append(rows, []string{n.Node, n.Account, n.PrivateKey, n.Funds})
	}
	return filled([]string{"node", "account", "private key", "funds"}, rows)
}
