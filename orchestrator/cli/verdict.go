package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
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

// verdict shows a judged run, writes the report to the run's directory and to out, and returns the error that carries
// the exit code. cause is the error that ended the run, if any: it is in the trace, is printed by others, and its exit
// code wins.
func (e *env) verdict(c *ucli.Context, out *outputs, rep *report.Report, cause error) error {
	var err error
	if c.Bool(flagJSON) {
		err = writeJSON(e.out, rep)
	} else {
		err = rep.Render(e.out, e.style())
	}
	if err = errors.Join(err, rep.Save(), out.write(rep)); err != nil || cause != nil {
		return err
	}
	code := rep.ExitCode(out.strict)
	if code == exitViolated && rep.ExitCode(false) == exitOK {
		return &exitError{code: code, err: fmt.Errorf("--strict: not judged: %s", strings.Join(unjudged(rep), ", "))}
	}
	if code != exitOK {
		return &exitError{code: code}
	}
	return nil
}

// unjudged lists the invariants that fail only because strict was asked for.
func unjudged(rep *report.Report) []string {
	var names []string
	for i := range rep.Results {
		if r := &rep.Results[i]; r.Fails(true) && !r.Fails(false) {
			names = append(names, r.Invariant)
		}
	}
	return names
}

// reproduce is the command that runs again what a directory holds, empty when that is not known. A scenario that is not
// in the catalog, or was another when it ran, is given by the file in the directory.
func reproduce(dir string, info *trace.Run) string {
	file := filepath.Join(dir, run.SpecFile)
	spec, err := testnets.Open(file)
	if err != nil {
		return ""
	}
	scenario := file
	if inCatalog(info.Scenario) {
		if own, err := testnets.Open(info.Scenario); err == nil && bytes.Equal(own.Source, withoutCall(spec.Source)) {
			scenario = info.Scenario
		}
	}
	words := []string{"netsplit run", shellWord(scenario), "--seed", shellWord(info.Seed)}
	if chain := cmp.Or(info.Chain.File, info.Chain.Name); chain != "" && chain != ourChain {
		words = append(words, "--chain", shellWord(chain))
	}
	if which := recorded(spec.Source, flagAttach); len(which) > 0 {
		for _, w := range which {
			words = append(words, "--attach", w)
		}
		for _, n := range recorded(spec.Source, flagNetwork) {
			words = append(words, "--network", n)
		}
		return strings.Join(words, " ") // on the nodes that are there
	}
	if where := strings.FieldsFunc(info.Runtime, func(r rune) bool { return r == ' ' || r == ',' }); len(where) > 0 &&
		slices.Contains([]string{runtimeDocker, runtimeSim}, where[0]) {
		words = append(words, "--runtime", where[0])
	}
	if n := len(info.Nodes); n > 0 && n != len(spec.NodeIDs()) {
		words = append(words, "--nodes", shellWord(n))
	}
	return strings.Join(words, " ")
}
