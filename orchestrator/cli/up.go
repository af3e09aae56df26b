package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator"
	"github.com/netsplit/netsplit/testnets"
)

func (e *env) upCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "up",
		Usage:     "spin up a testnet and leave it to you",
		ArgsUsage: "[SCENARIO]",
		Description: "Starts the nodes of SCENARIO (default: quickstart) in containers, without its load and faults, and prints\n" +
			"where to reach them. The testnet is removed at Ctrl-C, or by `netsplit down` when started with --detach.",
		Flags: append(specFlags(), jsonFlag(),
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
		err = e.table(c, nodeRows(t), nodeHeader, nodeTable(nodeRows(t)))
	}
	if err == nil && detach {
		fmt.Fprintf(e.err, "testnet %s is up; `netsplit down %s` removes it\n", id, id)
		return nil
	}
	if err == nil {
		fmt.Fprintf(e.err, "testnet %s is up; Ctrl-C removes it\n", id)
		err = watch.wait(c.Context)
	}
	return errors.Join(err, e.closeHost(c.Context, h), removeState(dir))
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

// start brings the nodes up.
func (e *env) start(ctx context.Context, spec *testnets.Spec, h *host, dir string, sink *watch) (*orchestrator.Testnet, error) {
	p := e.newProgress()
	defer p.end()
	return orchestrator.Up(ctx, h.id, spec, h.runtime, h.chain, dir, sink, p)
}

// watch is a runtime.Sink that only looks out for nodes that die.
type watch struct {
	once sync.Once
	died chan error
}

func newWatch() *watch { return &watch{died: make(chan error, 1)} }

// Line implements runtime.Sink.
func (*watch) Line(faults.NodeID, []byte) {}

// Gap implements runtime.Sink.
func (*watch) Gap(faults.NodeID, error) {}

// Exit implements runtime.Sink.
func (w *watch) Exit(node faults.NodeID, err error) {
	w.once.Do(func() { w.died <- fmt.Errorf("node %s ended by itself: %w", node, err) })
}

// wait returns nil when ctx ends, which is how the user ends a testnet, and an error when a node dies.
func (w *watch) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.died:
		return infrastructure(err, "")
	}
}

// nodeRow is what `up` prints of a node.
type nodeRow struct {
	Node  string `json:"node"`
	Role  string `json:"role"`
	Addr  string `json:"addr"`
	API   string `json:"api"`
	Mines string `json:"mines"`
	Peers int    `json:"peers"`
}

var nodeHeader = []string{"node", "role", "address", "mines", "peers", "API"}

func nodeRows(t *orchestrator.Testnet) []nodeRow {
	var rows []nodeRow
	for _, n := range t.Network.Nodes {
		r := nodeRow{Node: string(n.ID), Role: n.Role, Addr: n.Addr.String(), Peers: len(n.Peers)}
		if u, ok := t.Client(n.ID).(interface{ URL() string }); ok {
			r.API = u.URL() + "/v1/status"
		}
		if n.Mine > 0 {
			r.Mines = fmt.Sprintf("%g/s", n.Mine)
		}
		rows = append(rows, r)
	}
	return rows
}

func nodeTable(nodes []nodeRow) [][]string {
	var rows [][]string
	for _, n := range nodes {
		rows = append(rows, []string{n.Node, n.Role, n.Addr, n.Mines, fmt.Sprint(n.Peers), n.API})
	}
	return rows
}
