package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/node/version"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// closeTimeout bounds the removal of a testnet.
const closeTimeout = time.Minute

func (e *env) runCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "run",
		Usage:     "run a scenario and print the invariant report",
		ArgsUsage: "SCENARIO",
		Description: "SCENARIO is a name from `netsplit catalog` or a YAML file. The exit code is 0 when all invariants hold,\n" +
			"1 when one failed, 2 for a bad scenario, 3 when the infrastructure failed, 130 when interrupted.",
		Flags: append(append(specFlags(), chainFlags()...), judgeFlags()...),
		Action: func(c *ucli.Context) error {
			spec, err := e.specOf(c, "")
			if err != nil {
				return err
			}
			chains := chainNames(c)
			if err := checkChains(c, chains); err != nil {
				return err
			}
			out, err := openOutputs(c)
			if err != nil {
				return err
			}
			if len(chains) > 1 {
				err = e.runSeveral(c, spec, chains, out)
			} else {
				_, err = e.runOne(c, spec, out)
			}
			return errors.Join(err, out.close())
		},
	}
}

// runOne runs a scenario on one chain and shows its report, which it also hands to out. recorded is false when it did not
// get so far that there was anything to record.
func (e *env) runOne(c *ucli.Context, spec *testnets.Spec, out *outputs) (recorded bool, err error) {
	dir, err := e.carryOut(c, spec)
	return dir != "", errors.Join(err, e.conclude(c, spec, out, dir, err))
}

// carryOut runs a scenario and removes all that it made but the run's directory, which it returns; empty when nothing
// was recorded.
func (e *env) carryOut(c *ucli.Context, spec *testnets.Spec) (dir string, err error) {
	ctx := c.Context
	id, err := newID(spec.Name)
	if err != nil {
		return "", err
	}
	h, err := e.hostOf(c, spec, id)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, e.closeHost(ctx, h)) }()
	if err := run.Check(spec, h.runtime); err != nil {
		return "", usageError(err)
	}
	if dir, err = newRunDir(c.String(flagOut), id, spec, calledAs(c)); err != nil {
		return "", err
	}
	e.announce(spec, h)
	p := e.newProgress()
	defer p.end()
	return dir, run.Run(ctx, run.Options{
		ID: h.id, Spec: spec, Runtime: h.runtime, Chain: h.chain, Dir: dir, Version: version.String(), Progress: p,
	})
}

// hostOf opens what the command line asks for: containers that are there already, or a runtime for new nodes.
func (e *env) hostOf(c *ucli.Context, spec *testnets.Spec, id string) (*host, error) {
	if c.IsSet(flagAttach) {
		return e.attachHost(c, spec, id)
	}
	return e.openHost(c, spec, id, true)
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

// conclude judges what was recorded in dir and shows it. cause is what ended the run early, if anything; it is printed
// by others. A run whose schedule never began has nothing to show: its directory goes when the user interrupted it and
// did not name it, else it stays for its logs.
func (e *env) conclude(c *ucli.Context, spec *testnets.Spec, out *outputs, dir string, cause error) error {
	if dir == "" {
		return out.write(report.Failed(trace.Run{Scenario: spec.Name, Seed: spec.Seed}, cause))
	}
	rep, err := judge(dir)
	if err != nil {
		return err
	}
	if rep.Began {
		return e.verdict(c, out, rep, cause)
	}
	if c.Bool(flagJSON) {
		err = writeJSON(e.out, rep)
	}
	err = errors.Join(err, out.write(rep))
	if rep.Interrupted && c.String(flagOut) == "" {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if logs := filepath.Join(dir, run.LogDir); isDir(logs) {
		fmt.Fprintf(e.err, "the schedule never began; the nodes' logs are in %s\n", logs)
	} else {
		fmt.Fprintf(e.err, "the schedule never began; what was recorded is in %s\n", dir)
	}
	return errors.Join(err, rep.Save())
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
