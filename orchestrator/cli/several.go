package cli

import (
	"context"
	"errors"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/report"
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

// runSeveral runs the scenario on one chain after the other, shows each report, and in the end all verdicts in one table.
// The most severe outcome gives the exit code. Ctrl-C ends the whole.
func (e *env) runSeveral(c *ucli.Context, chains []string) error {
	for _, name := range []string{flagOut, flagJUnit, flagAttach} {
		if c.IsSet(name) {
			return usagef("run the chains one by one", "--%s is for one chain, and %d are named", name, len(chains))
		}
	}
	var all error
	var reports []*report.Report
	for _, chain := range chains {
		if err := c.Set(flagChain, chain); err != nil {
			return err
		}
		dir, err := e.runOne(c)
		all = errors.Join(all, err)
		if rep, loadErr := report.Load(dir); dir != "" && loadErr == nil {
			reports = append(reports, rep)
		}
		if errors.Is(c.Context.Err(), context.Canceled) {
			break
		}
	}
	if c.Bool(flagJSON) || len(reports) == 0 {
		return all
	}
	return errors.Join(all, e.compare(reports))
}

// compare prints the verdicts of several runs side by side.
func (e *env) compare(reports []*report.Report) error {
	header := []string{"invariant"}
	verdicts := make(map[string][]string)
	var order []string
	for i, rep := range reports {
		header = append(header, rep.Run.Chain.Name)
		for _, r := range rep.Results {
			if verdicts[r.Invariant] == nil {
				order = append(order, r.Invariant)
				verdicts[r.Invariant] = make([]string, len(reports))
			}
			verdicts[r.Invariant][i] = string(r.Verdict) + "  " + r.Figure
		}
	}
	var rows [][]string
	for _, name := range order {
		rows = append(rows, append([]string{name}, verdicts[name]...))
	}
	return report.Table(e.out, header, rows)
}
