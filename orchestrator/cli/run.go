package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/testnets"
)

// closeTimeout bounds the removal of a testnet.
const closeTimeout = time.Minute

// specFlags are the flags of every verb that starts a scenario.
func specFlags() []ucli.Flag {
	return []ucli.Flag{
		runtimeFlag,
		&ucli.IntFlag{Name: "nodes", Usage: "scale the scenario to `N` nodes, in proportion"},
		&ucli.Uint64Flag{Name: "seed", Usage: "replace the scenario's seed by `S`"},
		&ucli.StringFlag{Name: "image", Usage: "use a local node image `REF` instead of one made from this executable"},
		&ucli.StringFlag{Name: "out", Usage: "put the run in directory `DIR`"},
	}
}

func (e *env) runCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "run",
		Usage:     "run a scenario and print the invariant report",
		ArgsUsage: "SCENARIO",
		Description: "SCENARIO is a name from `netsplit catalog` or a YAML file. The exit code is 0 when all invariants hold,\n" +
			"1 when one failed, 2 for a bad scenario, 3 when the infrastructure failed, 130 when interrupted.",
		Flags: append(specFlags(), jsonFlag, strictFlag),
		Action: func(c *ucli.Context) error {
			spec, err := e.specOf(c, "")
			if err != nil {
				return err
			}
			dir, err := e.carryOut(c, spec)
			if dir == "" {
				return err
			}
			return errors.Join(err, e.verdict(c, dir, err))
		},
	}
}

// specOf loads the scenario that the command line names, changed as its flags say. fallback is used where none is named.
func (e *env) specOf(c *ucli.Context, fallback string) (*testnets.Spec, error) {
	name := c.Args().First()
	if name == "" {
		name = fallback
	}
	if name == "" {
		return nil, usagef("run `netsplit catalog` for the list of ready scenarios", "%s needs a scenario", c.Command.Name)
	}
	if c.NArg() > 1 {
		return nil, usagef("", "%s takes one scenario, got %q too", c.Command.Name, c.Args().Get(1))
	}
	spec, err := testnets.Open(name)
	if err != nil {
		return nil, usageError(err)
	}
	if c.IsSet("seed") {
		spec.Seed = c.Uint64("seed")
	}
	if c.IsSet("nodes") {
		if err := spec.Scale(c.Int("nodes")); err != nil {
			return nil, usageError(err)
		}
	}
	if err := orchestrator.Check(spec, nil); err != nil {
		return nil, usageError(err)
	}
	return spec, nil
}

// carryOut runs a scenario and removes all that it made but the run's directory, which it returns; empty when nothing
// was recorded.
func (e *env) carryOut(c *ucli.Context, spec *testnets.Spec) (dir string, err error) {
	ctx := c.Context
	id, err := newID(spec.Name)
	if err != nil {
		return "", err
	}
	h, err := e.openHost(c, spec, id, true)
	if err != nil {
		return "", err
	}
	if err := orchestrator.Check(spec, h.runtime); err != nil {
		return "", usageError(err)
	}
	if dir, err = newRunDir(c.String("out"), id, spec); err != nil {
		return "", err
	}
	e.announce(spec, h)
	p := e.newProgress()
	err = orchestrator.Run(ctx, orchestrator.Options{
		ID: h.id, Spec: spec, Runtime: h.runtime, Chain: h.chain, Dir: dir, Version: Version, Progress: p,
	})
	p.end()
	return dir, errors.Join(err, e.closeHost(ctx, h))
}

// announce says what is about to run, on what, and why there.
func (e *env) announce(spec *testnets.Spec, h *host) {
	fmt.Fprintf(e.err, "%s: %s\n", spec.Name, spec.Description)
	fmt.Fprintf(e.err, "  runtime %s (%s), %d nodes, seed %d\n", h.name, h.why, len(spec.NodeIDs()), spec.Seed)
}

// closeHost removes what a runtime made, on a context of its own since ctx may have ended.
func (e *env) closeHost(ctx context.Context, h *host) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := h.runtime.Close(ctx); err != nil {
		return infrastructure(fmt.Errorf("remove the testnet: %w", err), "netsplit down --all removes what is left")
	}
	return nil
}

// verdict judges a recorded run, prints the report and returns the error that carries the exit code. cause is the error
// that ended the run, if any: it has been recorded, and its exit code wins.
func (e *env) verdict(c *ucli.Context, dir string, cause error) error {
	rep, err := report.Make(dir, filepath.Join(dir, orchestrator.TraceFile), nil)
	if err != nil {
		return err
	}
	if err := rep.Save(); err != nil {
		return err
	}
	if c.Bool(jsonFlag.Name) {
		err = writeJSON(e.out, rep)
	} else {
		err = rep.Render(e.out, e.style())
	}
	if err != nil || cause != nil {
		return err
	}
	if code := rep.ExitCode(c.Bool(strictFlag.Name)); code != exitOK {
		return &exitError{code: code}
	}
	return nil
}
