package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

// testnet is a running testnet that another netsplit process started.
type testnet struct {
	*run.Testnet
	control control
}

// opener opens the running testnet with that id, or the only one there is when id is empty.
type opener func(ctx context.Context, id string) (*testnet, error)

// control is what commands need of the runtime of a running testnet.
type control interface {
	Do(ctx context.Context, action faults.Action) error
	// States returns the state of every node: one of docker.NodeRunning and its like.
	States(ctx context.Context) (map[faults.NodeID]string, error)
	// Layers returns the faults that hold and their version, ShapeIf replaces them if that is still their version.
	Layers(ctx context.Context) ([]faults.Layer, uint64, error)
	ShapeIf(ctx context.Context, version uint64, layers []faults.Layer) (faults.Applied, error)
	Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error)
	// Detach closes the connection to the runtime. The testnet runs on.
	Detach() error
}

// openDocker is the opener of testnets in containers.
func openDocker(ctx context.Context, id string) (*testnet, error) {
	t, err := findTestnet(ctx, id)
	if err != nil {
		return nil, err
	}
	rt, err := docker.Open(ctx, t.ID)
	if err != nil {
		return nil, infrastructure(err, "")
	}
	opened, err := readTestnet(ctx, rt, t.Dir)
	if err != nil {
		return nil, errors.Join(err, rt.Detach())
	}
	return &testnet{opened, rt}, nil
}

// readTestnet reads a testnet's description from its directory, and opens the chain that it runs.
func readTestnet(ctx context.Context, rt runtime.Runtime, dir string) (*run.Testnet, error) {
	const hint = "its directory must be where and as it was when the testnet was made; `netsplit down` still removes it"
	net, exported, err := run.LoadNetwork(dir)
	if err != nil {
		return nil, infrastructure(err, hint)
	}
	var chain chain.Chain = native.New(rt.Transport())
	if exported != nil {
		if chain, err = external.Restore(exported, rt.Transport()); err != nil {
			return nil, infrastructure(fmt.Errorf("open the chain of testnet %s: %w", net.ID, err), hint)
		}
	}
	t, err := run.Open(ctx, rt, chain, net)
	return t, infrastructure(err, "")
}

// close closes the connection to the testnet, which runs on. Its error does not matter: the command is over.
func (t *testnet) close() { _ = t.control.Detach() }

// findTestnet returns the running testnet with that id, or the only one when id is empty.
func findTestnet(ctx context.Context, id string) (docker.Testnet, error) {
	all, err := docker.List(ctx)
	if err != nil {
		return docker.Testnet{}, noEngine(err)
	}
	return pickTestnet(all, id)
}

// pickTestnet is findTestnet among all testnets of the host. One without nodes is what a crash left, and is not running.
func pickTestnet(all []docker.Testnet, id string) (docker.Testnet, error) {
	var ids []string
	if id == "" {
		all = slices.DeleteFunc(slices.Clone(all), func(t docker.Testnet) bool { return len(t.Nodes) == 0 })
	}
	for _, t := range all {
		if t.ID == id || id == "" && len(all) == 1 {
			return t, nil
		}
		ids = append(ids, t.ID)
	}
	switch {
	case len(all) == 0:
		return docker.Testnet{}, usagef("start one: netsplit up --detach", "no testnet is running")
	case id == "":
		return docker.Testnet{}, &severalError{ids}
	}
	hint := "running: " + strings.Join(ids, ", ")
	if near := faults.Nearest(id, ids); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return docker.Testnet{}, usagef(hint, "no testnet %q is running", id)
}

// severalError says that a command was given no testnet where more than one is running.
type severalError struct{ ids []string }

// Error implements error.
func (e *severalError) Error() string { return fmt.Sprintf("%d testnets are running", len(e.ids)) }

// howToName makes a severalError a usage error with a hint how the command is told which testnet is meant.
func howToName(cmd *ucli.Command, err error) error {
	var several *severalError
	if !errors.As(err, &several) {
		return err
	}
	how := "with " + dashed(flagTestnet)
	if flagNamed(cmd.Flags, flagTestnet) == nil {
		how = fmt.Sprintf("as in `%s %s`", cmd.HelpName, several.ids[0])
	}
	return usagef(fmt.Sprintf("name one %s: %s", how, strings.Join(several.ids, ", ")), "%w", several)
}

// node checks that a testnet has a node of that name.
func (t *testnet) node(name string) (faults.NodeID, error) {
	var names []string
	for _, n := range t.Nodes() {
		if string(n) == name {
			return n, nil
		}
		names = append(names, string(n))
	}
	hint := "its nodes: " + strings.Join(names, ", ")
	if near := faults.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return "", usagef(hint, "testnet %s has no node %q", t.ID, name)
}
