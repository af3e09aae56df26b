package cli

import (
	"fmt"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/testnets"
)

// The runtimes that --runtime names.
const (
	runtimeAuto   = "auto"
	runtimeDocker = "docker"
	runtimeSim    = "sim"
)

// host is a runtime that was chosen, and the chain that runs on it.
type host struct {
	id      string
	name    string // of the runtime
	why     string // it was chosen
	runtime runtime.Runtime
	chain   chain.Chain
}

// openHost opens the runtime that the command line asks for. lease binds faults to this process: they heal when it ends.
func (e *env) openHost(c *ucli.Context, spec *testnets.Spec, id string, lease bool) (*host, error) {
	foreign, err := chainOf(c)
	if err != nil {
		return nil, err
	}
	name, why := c.String(flagRuntime), "asked for"
	if name == runtimeAuto {
		version, err := docker.Available(c.Context)
		if err == nil || foreign != nil {
			name, why = runtimeDocker, "auto: Docker Engine "+version+" answers"
		} else {
			name, why = runtimeSim, "auto: no Docker Engine answers"
		}
	}
	h := &host{id: id, name: name, why: why}
	var rt runtime.Runtime
	switch name {
	case runtimeDocker:
		d, err := docker.New(c.Context, docker.Options{Image: c.String(flagImage), Lease: lease})
		if err != nil {
			return nil, noEngine(err)
		}
		rt = d
		if foreign != nil {
			h.chain = external.New(foreign, d, rt.Transport(), func(text string) { fmt.Fprintf(e.err, "  %s\n", text) })
		}
	case runtimeSim:
		if foreign != nil {
			return nil, usagef("--runtime docker", "chain %s cannot be simulated: its nodes are programs", foreign.Name)
		}
		// A simulated run depends on nothing but the scenario and its seed: so does its name.
		h.id = fmt.Sprintf("%s-%d", spec.Name, spec.Seed)
		rt = sim.New(sim.Options{Seed: spec.Seed})
	default:
		return nil, usagef("the runtimes are docker, sim and auto", "no runtime %q", name)
	}
	h.runtime = rt
	if h.chain == nil {
		h.chain = native.New(rt.Transport())
	}
	return h, nil
}
