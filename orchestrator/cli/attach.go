package cli

import (
	"errors"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/testnets"
)

// attachHost opens containers that something else started, and puts the scenario on them. They are only split and
// watched: nothing that netsplit did not start is removed or changed.
func (e *env) attachHost(c *ucli.Context, spec *testnets.Spec, id string) (*host, error) {
	chain, err := chainOf(c)
	if err != nil {
		return nil, err
	}
	if chain == nil {
		return nil, usagef("--chain cometbft, or the path of a chain file", "--attach needs --chain, to know how to ask the nodes")
	}
	for _, name := range []string{flagNodes, flagImage} {
		if c.IsSet(name) {
			return nil, usagef("", "--%s and --attach contradict each other: the nodes are there already", name)
		}
	}
	if rt := c.String(flagRuntime); rt != runtimeAuto && rt != runtimeDocker {
		return nil, usagef("leave --runtime away", "--runtime %s and --attach contradict each other: containers are attached to", rt)
	}
	sel := selectorOf(c.StringSlice(flagAttach))
	if len(sel.Labels)+len(sel.Names) == 0 {
		return nil, usagef("--attach com.docker.compose.project=NAME, or names of containers", "--attach names no containers")
	}
	f, err := docker.Attach(c.Context, sel, docker.AttachOptions{
		Network: c.String(flagNetwork), Lease: true,
	})
	if err != nil {
		return nil, notAttached(err)
	}
	h := &host{id: id, name: runtimeDocker, why: "attached", runtime: f, chain: external.Attach(chain, f.Transport())}
	if err := place(c, spec, f); err != nil {
		return nil, errors.Join(err, e.closeHost(c.Context, h))
	}
	return h, nil
}

// place puts the scenario on the containers. Each is taken to make blocks as much as any other: what weight a container
// has in its chain cannot be seen from outside.
func place(c *ucli.Context, spec *testnets.Spec, f *docker.Attached) error {
	hosts, err := f.Hosts(c.Context)
	if err != nil {
		return infrastructure(err, "")
	}
	var nodes []testnets.NodeInfo
	for _, h := range hosts {
		nodes = append(nodes, testnets.NodeInfo{ID: h.ID, Role: h.Role, Mine: 1})
	}
	if err := spec.Place(nodes); err != nil {
		return usageError(err)
	}
	planned, err := spec.PlanFaults()
	if err != nil {
		return usageError(err)
	}
	if err := f.CheckFaults(planned); err != nil {
		return usageError(unfit(spec, err))
	}
	return nil
}

// unfit gives faults that the containers cannot be put through their places in the scenario.
func unfit(spec *testnets.Spec, err error) error {
	var out []error
	for _, one := range apart(err) {
		var plan *faults.PlanError
		if !errors.As(one, &plan) {
			return err
		}
		hint := ""
		var incompatible *docker.IncompatibleError
		if errors.As(one, &incompatible) {
			hint = incompatible.Hint()
		}
		out = append(out, spec.ErrorAt(spec.Faults[plan.Index].Pos, plan.Error(), hint))
	}
	return errors.Join(out...)
}

// notAttached sorts errors into those about what the user asked for and those of the engine.
func notAttached(err error) error {
	var incompatible *docker.IncompatibleError
	if errors.As(err, &incompatible) {
		return &exitError{code: exitUsage, err: err, hint: incompatible.Hint()}
	}
	return infrastructure(err, "`netsplit doctor` shows what was found")
}

// networkNeedsAttach refuses --network where nothing is attached to.
func networkNeedsAttach(c *ucli.Context, name string) error {
	if c.IsSet(flagAttach) {
		return nil
	}
	return usagef("--attach WHICH names the containers that are on network "+name, "--network is of use with --attach only")
}

// selectorOf sorts the values of --attach into labels and names.
func selectorOf(values []string) docker.Selector {
	var s docker.Selector
	for _, v := range values {
		v = strings.TrimSpace(v)
		switch {
		case strings.Contains(v, "="):
			s.Labels = append(s.Labels, v)
		case v != "":
			s.Names = append(s.Names, v)
		}
	}
	return s
}
