package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator"
	"github.com/netsplit/netsplit/orchestrator/driver/netsplit"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

// attached is a running testnet that another process started.
type attached struct {
	*orchestrator.Testnet
	runtime *docker.Runtime
	chain   *netsplit.Chain
}

// attach finds a running testnet: the one that the user named, or the only one there is.
func (e *env) attach(ctx context.Context, id string) (*attached, error) {
	t, err := e.findTestnet(ctx, id)
	if err != nil {
		return nil, err
	}
	rt, err := docker.Attach(ctx, t.ID)
	if err != nil {
		return nil, infrastructure(err, "")
	}
	net, err := orchestrator.LoadNetwork(t.Dir)
	if err != nil {
		return nil, infrastructure(err, "its directory must be where it was when the testnet was made; `netsplit down` still removes it")
	}
	chain := netsplit.New(rt.Transport())
	net2, err := orchestrator.Attach(ctx, rt, chain, net)
	if err != nil {
		return nil, infrastructure(err, "")
	}
	return &attached{Testnet: net2, runtime: rt, chain: chain}, nil
}

// findTestnet returns the running testnet with that id, or the only one when id is empty.
func (e *env) findTestnet(ctx context.Context, id string) (docker.Testnet, error) {
	all, err := docker.List(ctx)
	if err != nil {
		return docker.Testnet{}, infrastructure(err, "is a Docker Engine running? `netsplit doctor` shows what was found")
	}
	var ids []string
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
		return docker.Testnet{}, usagef("name one with --testnet: "+strings.Join(ids, ", "), "%d testnets are running", len(all))
	}
	hint := "running: " + strings.Join(ids, ", ")
	if near := faults.Nearest(id, ids); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return docker.Testnet{}, usagef(hint, "no testnet %q is running", id)
}

// node checks that a testnet has a node of that name.
func (a *attached) node(name string) (faults.NodeID, error) {
	var names []string
	for _, n := range a.Nodes() {
		if string(n) == name {
			return n, nil
		}
		names = append(names, string(n))
	}
	hint := "its nodes: " + strings.Join(names, ", ")
	if near := faults.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return "", usagef(hint, "testnet %s has no node %q", a.ID, name)
}
