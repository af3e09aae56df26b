package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/node/version"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/scenario"
)

func runCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "run",
		Usage:     "run a scenario and print the invariant report",
		ArgsUsage: "SCENARIO",
		Description: "SCENARIO is a name from `netsplit catalog` or a YAML file. The exit code is 0 when all invariants hold, " +
			"1 when one failed, 2 for a mistake in the scenario, 3 when the infrastructure failed, 4 when an invariant could not be " +
			"judged, 130 when interrupted.",
		Flags: append(append(startFlags(), runOnlyFlags()...), judgeFlags()...),
		Action: func(c *ucli.Context) error {
			r := &runner{env: e, startOptions: startOptionsOf(c)}
			spec, err := r.load(c.Context)
			if err != nil {
				return err
			}
			chains := splitList(r.chain)
			if err := r.checkChains(chains); err != nil {
				return err
			}
			v, err := openVerdicts(c, e.output(c))
			if err != nil {
				return err
			}
			if len(chains) > 1 {
				err = r.runChains(c.Context, spec, chains, v)
			} else {
				_, err = r.runOne(c.Context, spec, v)
			}
			return errors.Join(err, v.close())
		},
	}
}

// runner runs a scenario as its options say and shows what came of it.
type runner struct {
	*env
	startOptions
}

// splitList reads a list of names with commas.
func splitList(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// checkChains finds mistakes in the list of chains before anything starts.
func (r *runner) checkChains(chains []string) error {
	if len(chains) > 1 && len(r.attach) > 0 {
		return usagef("run the chains one by one", "--%s is for one chain, and %d are named", flagAttach, len(chains))
	}
	recordedIn := make(map[string]string)
	for _, chain := range chains {
		if _, err := openChain(chain); err != nil {
			return err
		}
		dir := chainDir(chain)
		if first, taken := recordedIn[dir]; taken && len(chains) > 1 && r.out != "" {
			return usagef("run them one by one, or leave out --out", "%s and %s would both be recorded in %s", first, chain,
				filepath.Join(r.out, dir))
		}
		recordedIn[dir] = chain
	}
	return nil
}

// chainDir is the name of a chain's directory in that of --out, when a scenario runs on more than one chain.
func chainDir(chain string) string {
	return strings.TrimSuffix(filepath.Base(chain), filepath.Ext(chain))
}

// runChains runs the scenario on one chain after the other, shows each report, and then a table that compares all; as
// JSON, a list of the reports. The most severe outcome gives the exit code. Ctrl-C ends them all.
func (r *runner) runChains(ctx context.Context, spec *scenario.Spec, chains []string, v *verdicts) error {
	out := v.out
	if out.json {
		v.out.w = io.Discard
	}
	var all error
	var reported []string // chains
	for _, chain := range chains {
		one := *r
		one.chain = chain
		if r.out != "" {
			one.out = filepath.Join(r.out, chainDir(chain))
		}
		recorded, err := one.runOne(ctx, spec, v)
		all = errors.Join(all, err)
		if len(v.reports) > len(reported) {
			reported = append(reported, chain)
		}
		if !recorded || errors.Is(ctx.Err(), context.Canceled) {
			break // what prevented this run would prevent the others
		}
	}
	if out.json {
		return errors.Join(all, out.value(v.reports))
	}
	return errors.Join(all, compare(out, reported, v.reports))
}

// compare prints the verdicts of runs on different chains side by side, what was measured below each.
func compare(out output, chains []string, reports []*report.Report) error {
	header := append([]string{"invariant"}, chains...)
	index := make(map[string]int)
	var rows [][]string
	for i, rep := range reports {
		for _, r := range rep.Results {
			row, ok := index[r.Invariant]
			if !ok {
				row = len(rows)
				index[r.Invariant] = row
				rows = append(rows, make([]string, len(header)))
				rows[row][0] = r.Invariant
			}
			rows[row][i+1] = string(r.Verdict) + "\n" + strings.ReplaceAll(r.Figure, ", ", "\n")
		}
	}
	if len(rows) == 0 {
		return nil
	}
	out.printf("\n%s on %s\n", reports[0].Run.Scenario, strings.Join(chains, ", "))
	return out.table(nil, header, rows)
}

// runOne runs a scenario on one chain and shows its report. recorded is false when it failed before there was anything to
// record.
func (r *runner) runOne(ctx context.Context, spec *scenario.Spec, v *verdicts) (recorded bool, err error) {
	dir, err := r.record(ctx, spec)
	return dir != "", errors.Join(err, r.conclude(spec, v, dir, err))
}

// record runs a scenario and removes all that it made but the run's directory, which it returns; empty when nothing was
// recorded.
func (r *runner) record(ctx context.Context, spec *scenario.Spec) (dir string, err error) {
	id, err := newID(spec.Name)
	if err != nil {
		return "", err
	}
	h, err := openHost(ctx, hostOptions{startOptions: &r.startOptions, spec: spec, id: id, lease: true, log: r.stderr})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	if err := run.Check(spec, h.runtime); err != nil {
		return "", usageError(err)
	}
	if err := run.CheckChain(spec, h.chain); err != nil {
		return "", usageError(err)
	}
	if dir, err = newRunDir(r.out, id, markCall(spec.Source, r.commandLine())); err != nil {
		return "", err
	}
	h.announce(r.stderr, spec)
	p := newProgress(r.env)
	defer p.end()
	return dir, run.Run(ctx, run.Options{
		ID: h.id, Spec: spec, Runtime: h.runtime, Chain: h.chain, Dir: dir, Version: version.String(), Progress: p,
		StartTimeout: r.waitForStart(),
	})
}

// conclude judges what was recorded in dir and shows it. cause is what ended the run early, if anything; it is printed
// elsewhere. A run whose schedule never began has nothing to show: its directory is removed when the user interrupted it
// and did not name it, else it stays for its logs.
func (r *runner) conclude(spec *scenario.Spec, v *verdicts, dir string, cause error) error {
	if dir == "" {
		return v.write(report.Failed(trace.Run{Scenario: spec.Name, Seed: spec.Seed}, cause))
	}
	rep, err := judge(dir)
	if err != nil {
		return err
	}
	if rep.Began {
		return v.show(rep, cause)
	}
	if v.out.json {
		err = v.out.value(rep)
	}
	err = errors.Join(err, v.write(rep))
	if rep.Interrupted && r.startOptions.out == "" {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if logs := filepath.Join(dir, run.LogDir); isDir(logs) {
		fmt.Fprintf(r.stderr, "the schedule never began; the nodes' logs are in %s\n", logs)
	} else {
		fmt.Fprintf(r.stderr, "the schedule never began; the record is in %s\n", dir)
	}
	return errors.Join(err, rep.Save())
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
