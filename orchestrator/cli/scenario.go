package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/testnets"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/scenario"
)

// The runtimes that --runtime names.
const (
	runtimeAuto   = "auto"
	runtimeDocker = "docker"
	runtimeSim    = "sim"
)

// ourChain is the name of the chain that netsplit's own node makes.
const ourChain = "netsplit"

// startOptions are what the command line of run and up says about a testnet that is to start.
type startOptions struct {
	command  string  // "netsplit run"
	scenario string  // a name from the catalog or a file; empty where none is given
	nodes    *int    // nil: as the scenario says
	seed     *uint64 // nil: as the scenario says
	runtime  string
	image    string
	chain    string // a name or a file; run takes more than one, with commas
	out      string
	attach   []string // containers to attach to; empty: new nodes
	network  string   // of these containers
	// startTimeout is how long nodes may take to be ready; nil: the default.
	startTimeout *time.Duration
	subnet       string // of new nodes; empty: a free one
}

// startFlags are the flags of run and up.
func startFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{
			Name: flagRuntime, Value: runtimeAuto, DefaultText: runtimeAuto,
			Usage: "run nodes in `RUNTIME`: docker, sim, or auto, which is docker if an engine answers, else sim; an engine that is named, or any in CI, must answer",
		},
		&ucli.IntFlag{Name: flagNodes, Usage: "scale the scenario to `N` nodes, in proportion", DefaultText: "its own"},
		&ucli.Uint64Flag{Name: flagSeed, Usage: "replace the scenario's seed with `S`", DefaultText: "its own"},
		&ucli.StringFlag{Name: flagImage, Usage: "use Docker image `REF` for the nodes", DefaultText: "made from this executable"},
		&ucli.StringFlag{Name: flagOut, Usage: "record the run in directory `DIR`", DefaultText: "$XDG_STATE_HOME/netsplit/runs/ID"},
		&ucli.StringFlag{
			Name: flagChain, Value: ourChain, DefaultText: ourChain, Usage: "run nodes of `CHAIN`, a name of 'netsplit chain ls' or a chain file",
		},
		subnetFlag(), startTimeoutFlag(),
	}
}

// subnetFlag says where nodes in containers get their addresses.
func subnetFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: flagSubnet, Usage: "give nodes in containers addresses of `SUBNET`, for example 10.99.0.0/16", DefaultText: "one that nothing here uses",
	}
}

// runOnlyFlags are the further flags of run.
func runOnlyFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringSliceFlag{
			Name: flagAttach, Usage: "attach to running containers: `WHICH` is LABEL=VALUE or a name; repeat it, or use commas",
		},
		&ucli.StringFlag{Name: flagNetwork, Usage: "with --attach: the Docker network `NAME` to partition, where containers share more than one"},
	}
}

// startOptionsOf reads the flags.
func startOptionsOf(c *ucli.Context) startOptions {
	o := startOptions{
		command: c.Command.HelpName, scenario: c.Args().First(), runtime: c.String(flagRuntime), image: c.String(flagImage),
		chain: c.String(flagChain), out: c.String(flagOut), attach: c.StringSlice(flagAttach), network: c.String(flagNetwork),
		startTimeout: durationOf(c, flagStartTimeout),
		subnet:       c.String(flagSubnet),
	}
	if c.IsSet(flagNodes) {
		n := c.Int(flagNodes)
		o.nodes = &n
	}
	if c.IsSet(flagSeed) {
		s := c.Uint64(flagSeed)
		o.seed = &s
	}
	return o
}

// load reads and checks the scenario, changed as the flags say.
func (o *startOptions) load(ctx context.Context) (*scenario.Spec, error) {
	if err := checkStartTimeout(o.startTimeout); err != nil {
		return nil, err
	}
	var spec *scenario.Spec
	err := untilDone(ctx, func() (err error) { // a pipe may have nobody who writes
		spec, err = testnets.Open(o.scenario)
		return err
	})
	if errors.Is(err, context.Canceled) {
		return nil, err
	}
	if err != nil {
		return nil, usageError(err)
	}
	if o.seed != nil {
		spec.Seed = *o.seed
	}
	if o.nodes != nil {
		if err := spec.Scale(*o.nodes); err != nil {
			return nil, usageError(err)
		}
	}
	if err := run.Check(spec, nil); err != nil {
		return nil, usageError(err)
	}
	return spec, nil
}

// waitForStart is how long nodes may take to be ready; 0: the default.
func (o *startOptions) waitForStart() time.Duration {
	if o.startTimeout == nil {
		return 0
	}
	return *o.startTimeout
}

// openChain reads a chain file by name or path; nil for our own chain.
func openChain(name string) (*chainspec.Chain, error) {
	if name == "" || name == ourChain {
		return nil, nil
	}
	file, err := testnets.OpenChain(name)
	if err != nil {
		return nil, usageError(err)
	}
	return file, nil
}

// inCatalog reports whether a scenario of the catalog has that name.
func inCatalog(name string) bool {
	return slices.ContainsFunc(testnets.Catalog(), func(e testnets.Entry) bool { return e.Name == name })
}
