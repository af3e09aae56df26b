package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/scenario"
)

// closeTimeout bounds the removal of a testnet.
const closeTimeout = time.Minute

// host is the runtime that was selected for a testnet, and the chain that runs on it.
type host struct {
	id      string // of the testnet
	name    string // of the runtime
	why     string // it was selected
	runtime runtime.Runtime
	chain   chain.Chain
}

// hostOptions say for which testnet a host is to be opened.
type hostOptions struct {
	*startOptions
	spec *scenario.Spec
	id   string
	// lease binds faults to this process: they heal when it ends.
	lease bool
	// log receives what the building of images reports.
	log io.Writer
}

// openHost opens the runtime that the command line selects.
func openHost(ctx context.Context, o hostOptions) (*host, error) {
	if len(o.attach) > 0 {
		return attachHost(ctx, o)
	}
	if o.network != "" {
		return nil, usagef("--attach WHICH names the containers that are on network "+o.network, "--network needs --attach")
	}
	file, err := openChain(o.chain)
	if err != nil {
		return nil, err
	}
	h := &host{id: o.id, name: o.runtime, why: "as requested"}
	if o.runtime == runtimeAuto && file != nil {
		h.name, h.why = runtimeDocker, "auto: programs run in containers"
	} else if o.runtime == runtimeAuto {
		version, err := docker.Available(ctx)
		if h.name, h.why, err = chooseRuntime(version, err, inCI()); err != nil {
			return nil, err
		}
	}
	switch h.name {
	case runtimeDocker:
		d, err := openEngine(ctx, o)
		if err != nil {
			return nil, err
		}
		h.runtime = d
		if file != nil {
			h.chain = external.New(file, d, d.Transport(), func(text string) { fmt.Fprintf(o.log, "  %s\n", text) })
		}
	case runtimeSim:
		if file != nil {
			return nil, usagef("--runtime docker", "chain %s cannot be simulated: its nodes are programs", file.Name)
		}
		if o.subnet != "" && o.runtime == runtimeSim {
			return nil, usagef("leave it out", "--%s is for containers: simulated nodes have no addresses on this host", flagSubnet)
		}
		// A simulated run depends on nothing but the scenario and its seed: so does its id.
		h.id = fmt.Sprintf("%s-%d", o.spec.Name, o.spec.Seed)
		h.runtime = sim.New(sim.Options{Seed: o.spec.Seed})
	default:
		return nil, usagef("the runtimes are docker, sim and auto", "no runtime %q", h.name)
	}
	if h.chain == nil {
		h.chain = native.New(h.runtime.Transport())
	}
	return h, nil
}

// chooseRuntime chooses for --runtime auto: containers where an engine answers, with this version, else the simulator. err
// says why none does. An engine that somebody named, or any in a CI environment, is missed: a run must not become another
// one silently.
func chooseRuntime(version string, err error, ci bool) (name, why string, failed error) {
	var missing *docker.UnavailableError
	switch {
	case err == nil:
		return runtimeDocker, "auto: Docker Engine " + version + " answers", nil
	case !errors.As(err, &missing):
		return "", "", noEngine(err)
	case missing.Named != "":
		return "", "", noEngine(err)
	case ci:
		return "", "", infrastructure(err, "in a CI environment (CI is set) an engine is expected; --runtime sim simulates, and needs none")
	case missing.Absent:
		return runtimeSim, "auto: no Docker Engine answers", nil
	}
	return runtimeSim, "auto: " + missing.Reason(), nil
}

// inCI reports whether this is a CI environment, by the variable that nearly all of them set.
func inCI() bool {
	ci, err := strconv.ParseBool(os.Getenv("CI"))
	return err != nil && os.Getenv("CI") != "" || ci
}

// engineOptions reads the value of --subnet, which may be empty.
func engineOptions(subnet string) (o docker.Options, err error) {
	if subnet == "" {
		return o, nil
	}
	if o.Subnet, err = docker.ParseSubnet(subnet); err != nil {
		return o, usagef("for example --subnet 10.99.0.0/16", "--%s cannot be %q: %w", flagSubnet, subnet, err)
	}
	return o, nil
}

// openEngine opens the engine for new containers, and warns or refuses where so many nodes do not fit on this host.
func openEngine(ctx context.Context, o hostOptions) (*docker.Runtime, error) {
	options, err := engineOptions(o.subnet)
	if err != nil {
		return nil, err
	}
	options.Image, options.Lease = o.image, o.lease
	nodes := len(o.spec.NodeIDs())
	if err := docker.CheckSize(nodes); err != nil {
		return nil, err
	}
	if estimate, big := docker.EstimateSize(nodes); big {
		fmt.Fprintf(o.log, "warning: %s; --runtime sim needs less\n", estimate)
	}
	d, err := docker.New(ctx, options)
	if err != nil {
		return nil, noEngine(err)
	}
	return d, nil
}

// attachHost opens running containers that netsplit did not start, and assigns them to the scenario's nodes. They are
// polled, and faults are applied to them; they are never removed or changed otherwise.
func attachHost(ctx context.Context, o hostOptions) (*host, error) {
	file, err := openChain(o.chain)
	switch {
	case err != nil:
		return nil, err
	case file == nil:
		return nil, usagef("--chain cometbft, or the path of a chain file", "--attach needs --chain, to know how the nodes are polled")
	case o.nodes != nil:
		return nil, usagef("", "--%s and --attach contradict each other: there are as many nodes as containers", flagNodes)
	case o.image != "":
		return nil, usagef("", "--%s and --attach contradict each other: the containers run already", flagImage)
	case o.subnet != "":
		return nil, usagef("", "--%s and --attach contradict each other: the containers have addresses", flagSubnet)
	case o.runtime != runtimeAuto && o.runtime != runtimeDocker:
		return nil, usagef("leave --runtime out", "--runtime %s and --attach contradict each other: nodes run in containers", o.runtime)
	}
	sel := selectorOf(o.attach)
	if len(sel.Labels)+len(sel.Names) == 0 {
		return nil, usagef("--attach com.docker.compose.project=NAME, or names of containers", "--attach names no containers")
	}
	f, err := docker.Attach(ctx, sel, docker.AttachOptions{Network: o.network, Lease: true})
	if err != nil {
		var incompatible *docker.IncompatibleError
		if errors.As(err, &incompatible) {
			return nil, &exitError{code: exitUsage, err: err, hint: incompatible.Hint()}
		}
		return nil, infrastructure(err, "`netsplit doctor` shows what was found")
	}
	if err := checkLogs(o.log, file, f.UnreadableLogs()); err != nil {
		return nil, errors.Join(err, f.Close(ctx))
	}
	h := &host{id: o.id, name: runtimeDocker, why: "attached", runtime: f, chain: external.Attach(file, f.Transport())}
	if err := assignNodes(ctx, o.spec, f); err != nil {
		return nil, errors.Join(err, h.close(ctx))
	}
	return h, nil
}

// checkLogs says at the start which containers' logs cannot be read, and refuses them where the chain file reads blocks from
// what they print.
func checkLogs(w io.Writer, file *chainspec.Chain, unreadable []string) error {
	if len(unreadable) == 0 {
		return nil
	}
	list := strings.Join(unreadable, ", ")
	if a := file.Observe.Arrival; a != nil && a.Log != nil {
		return usagef("start them with a log driver that can be read, for example --log-driver local",
			"the engine cannot read the logs of %s, and chain %s reports its blocks there", list, file.Name)
	}
	fmt.Fprintf(w, "warning: the engine cannot read the logs of %s: what they print is not recorded\n", list)
	return nil
}

// assignNodes makes the containers the nodes of the scenario. Each is taken to make as many blocks as any other: the
// weight that a node has in its chain cannot be seen from outside.
func assignNodes(ctx context.Context, spec *scenario.Spec, f *docker.Attached) error {
	hosts, err := f.Hosts(ctx)
	if err != nil {
		return infrastructure(err, "")
	}
	var nodes []scenario.NodeInfo
	for _, h := range hosts {
		nodes = append(nodes, scenario.NodeInfo{ID: h.ID, Role: h.Role, Mine: 1})
	}
	if err := spec.Place(nodes); err != nil {
		return usageError(err)
	}
	planned, err := spec.PlanFaults()
	if err != nil {
		return usageError(err)
	}
	if err := f.CheckFaults(planned); err != nil {
		return usageError(atFaults(spec, err))
	}
	return nil
}

// atFaults gives errors about faults that cannot be applied to the containers their positions in the scenario.
func atFaults(spec *scenario.Spec, err error) error {
	var out []error
	for _, one := range split(err) {
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

// announce says what is about to run, in which runtime, and why there.
func (h *host) announce(w io.Writer, spec *scenario.Spec) {
	fmt.Fprintf(w, "%s: %s\n", spec.Name, spec.Description)
	fmt.Fprintf(w, "  runtime %s (%s), %d nodes, seed %d\n", h.name, h.why, len(spec.NodeIDs()), spec.Seed)
}

// close removes what the runtime made, on a context of its own since ctx may have ended.
func (h *host) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := h.runtime.Close(ctx); err != nil {
		return infrastructure(fmt.Errorf("remove the testnet: %w", err), "netsplit down --all removes what is left")
	}
	return nil
}
