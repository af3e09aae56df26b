package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/ci"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
)

// judge judges a recorded run from its directory alone.
func judge(dir string) (*report.Report, error) {
	rep, err := report.Make(dir, filepath.Join(dir, run.TraceFile), nil)
	if err != nil {
		return nil, err
	}
	rep.Reproduce = reproduce(dir, &rep.Run)
	return rep, nil
}

// verdicts is where the commands that judge runs, run and check, put their reports: standard output, and the files that
// build servers read. These are opened before a run, so that a wrong path is found before anything starts, and so that
// what an earlier run left is not taken for this one's.
type verdicts struct {
	out            output
	policy         invariant.Policy // which verdicts fail
	junit, summary *os.File         // nil: not requested
	reports        []*report.Report // for junit, which is one document for all
}

// judgeFlags are the flags of the commands that judge a run.
func judgeFlags() []ucli.Flag {
	return []ucli.Flag{
		jsonFlag(),
		&ucli.BoolFlag{Name: flagStrict, Usage: "fail too when nothing in the run could have violated an invariant (VACUOUS)"},
		&ucli.BoolFlag{Name: flagAllow, Usage: "do not fail when an invariant could not be judged (UNKNOWN)"},
		&ucli.StringFlag{Name: flagJUnit, Usage: "write the verdicts to `FILE` as JUnit XML", TakesFile: true},
		&ucli.StringFlag{
			Name: flagSummary, Usage: "append a summary in Markdown to `FILE`", TakesFile: true,
			EnvVars: []string{"GITHUB_STEP_SUMMARY"},
		},
	}
}

// openVerdicts opens the files that the flags name.
func openVerdicts(c *ucli.Context, out output) (*verdicts, error) {
	v := &verdicts{out: out, policy: invariant.Policy{Strict: c.Bool(flagStrict), AllowUnknown: c.Bool(flagAllow)}}
	var err error
	if name := c.String(flagJUnit); name != "" {
		if v.junit, err = os.Create(name); err != nil {
			return nil, usageError(fmt.Errorf("--junit: %w", err))
		}
	}
	if name := c.String(flagSummary); name != "" {
		if v.summary, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
			return nil, errors.Join(usageError(fmt.Errorf("--summary: %w", err)), v.close())
		}
	}
	return v, nil
}

// show prints the report of a judged run, writes it to the run's directory and to the files, and returns the error that
// carries the exit code. cause is the error that ended the run, if any: it is in the trace and is printed elsewhere, and
// its exit code counts.
func (v *verdicts) show(rep *report.Report, cause error) error {
	var err error
	if v.out.json {
		err = v.out.value(rep)
	} else {
		err = rep.Render(v.out.w, v.out.style)
	}
	if err = errors.Join(err, rep.Save(), v.write(rep)); err != nil || cause != nil {
		return err
	}
	code := rep.ExitCode(v.policy)
	lenient := v.policy
	lenient.Strict = false
	switch {
	case code == exitOK:
		return nil
	case code == exitUnknown:
		return &exitError{
			code: code, err: fmt.Errorf("could not be judged: %s", strings.Join(v.failing(rep, invariant.Unknown), ", ")),
			hint: "the report says why; with --" + flagAllow + " this is no failure",
		}
	case code == exitViolated && rep.ExitCode(lenient) != exitViolated:
		return &exitError{code: code, err: fmt.Errorf("--%s: nothing to judge: %s", flagStrict, strings.Join(v.failing(rep, invariant.Vacuous), ", "))}
	}
	return &exitError{code: code}
}

// failing names the invariants that make the run fail with a verdict.
func (v *verdicts) failing(rep *report.Report, verdict invariant.Verdict) (names []string) {
	for _, r := range rep.Results {
		if r.Verdict == verdict && r.Fails(v.policy) {
			names = append(names, r.Invariant)
		}
	}
	return names
}

// write adds a report to the files.
func (v *verdicts) write(rep *report.Report) error {
	v.reports = append(v.reports, rep)
	if v.summary == nil {
		return nil
	}
	return ci.Summary(v.summary, rep)
}

// close completes the files. Without a report the one for JUnit stays empty, which build servers take for a failure.
func (v *verdicts) close() error {
	var errs []error
	if v.junit != nil && len(v.reports) > 0 {
		errs = append(errs, ci.JUnit(v.junit, v.policy, v.reports...))
	}
	for _, f := range []*os.File{v.junit, v.summary} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
