package cli

import (
	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/report"
)

func (e *env) reportCommand() *ucli.Command {
	return &ucli.Command{
		Name:        "report",
		Usage:       "print the report of a recorded run, as it was judged",
		ArgsUsage:   "[RUN]",
		Description: "RUN is a run's directory or id; without it, the latest.",
		Flags:       []ucli.Flag{jsonFlag},
		Action: func(c *ucli.Context) error {
			dir, err := findRun(c.Args().First())
			if err != nil {
				return err
			}
			rep, err := report.Load(dir)
			if err != nil {
				return usagef("netsplit check judges a run that has no report yet", "%w", err)
			}
			if c.Bool(jsonFlag.Name) {
				return writeJSON(e.out, rep)
			}
			return rep.Render(e.out, e.style())
		},
	}
}
