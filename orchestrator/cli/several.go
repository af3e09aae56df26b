package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/testnets"
)

// chainNames are the chains that the command line asks for, in its order.
func chainNames(c *ucli.Context) []string {
	var names []string
	for _, n := range strings.Split(c.String(flagChain), ",") {
		if n = strings.TrimSpace(n); n != "" {
			names = append(names, n)
		}
	}
	return names
}

// checkChains finds mistakes in all that the command line names before anything starts.
func checkChains(c *ucli.Context, chains []string) error {
	if len(chains) > 1 && c.IsSet(flagAttach) {
		return usagef("run the chains one by one", "--%s is for one chain, and %d are named", flagAttach, len(chains))
	}
	places := make(map[string]string)
	for _, chain := range chains {
		if _, err := openChain(chain); err != nil {
			return err
		}
		place := placeOf(chain)
		if first, taken := places[place]; taken && len(chains) > 1 && c.IsSet(flagOut) {
			return usagef("run them one by one, or leave out --out", "%s and %s would both be recorded in %s", first, chain,
				filepath.Join(c.String(flagOut), place))
		}
		places[place] = chain
	}
	return nil
}

// placeOf is the name of a chain's directory among those of several.
func placeOf(chain string) string {
	return strings.TrimSuffix(filepath.Base(chain), filepath.Ext(chain))
}

// runSeveral runs the scenario on one chain after the other, shows each report, and in the end all verdicts in one table;
// as JSON, a list of the reports. With --out each chain has a directory of its own in the one that is named. The most
// severe outcome gives the exit code. Ctrl-C ends the whole.
func (e *env) runSeveral(c *ucli.Context, spec *testnets.Spec, chains []string, out *outputs) error {
	each, parent := *e, c.String(flagOut)
	if c.Bool(flagJSON) {
		each.out = io.Discard
	}
	var all error
	var names []string // of the chains that have a report
	for _, chain := range chains {
		err := c.Set(flagChain, chain)
		if parent != "" {
			err = errors.Join(err, c.Set(flagOut, filepath.Join(parent, placeOf(chain))))
		}
		if err != nil {
			return err
		}
		recorded, err := each.runOne(c, spec, out)
		all = errors.Join(all, err)
		if len(out.reports) > len(names) {
			names = append(names, chain)
		}
		if !recorded || errors.Is(c.Context.Err(), context.Canceled) {
			break // what kept this chain from being run would keep the others
		}
	}
	if c.Bool(flagJSON) {
		return errors.Join(all, writeJSON(e.out, out.reports))
	}
	return errors.Join(all, e.compare(names, out.reports))
}

// compare prints the verdicts of several runs side by side, what was measured below each. names head the columns.
func (e *env) compare(names []string, reports []*report.Report) error {
	header := append([]string{"invariant"}, names...)
	verdicts := make(map[string][]string)
	var order []string
	for i, rep := range reports {
		for _, r := range rep.Results {
			if verdicts[r.Invariant] == nil {
				order = append(order, r.Invariant)
				verdicts[r.Invariant] = make([]string, len(reports))
			}
			verdicts[r.Invariant][i] = string(r.Verdict) + "\n" + strings.ReplaceAll(r.Figure, ", ", "\n")
		}
	}
	if len(order) == 0 {
		return nil
	}
	var rows [][]string
	for _, name := range order {
		rows = append(rows, append([]string{name}, verdicts[name]...))
	}
	if _, err := fmt.Fprintf(e.out, "\n%s on %s\n", reports[0].Run.Scenario, strings.Join(names, ", ")); err != nil {
		return err
	}
	return e.style().Table(e.out, header, rows)
}
