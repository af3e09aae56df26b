package cli

import (
	"errors"
	"io/fs"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/report"
)

func reportCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:        "report",
		Usage:       "print the report of a recorded run",
		ArgsUsage:   "[RUN]",
		Description: "RUN is a run's directory or id; without it, the latest run is reported. The exit code is 0 whatever the verdict.",
		Flags:       []ucli.Flag{jsonFlag()},
		Action: func(c *ucli.Context) error {
			dir, err := findRun(c.Args().First())
			if err != nil {
				return err
			}
			rep, err := report.Load(dir)
			if errors.Is(err, fs.ErrNotExist) {
				return usagef("netsplit check "+shellWord(dir)+" judges it", "the run in %s has not been judged", dir)
			}
			if err != nil {
				return usagef("netsplit check "+shellWord(dir)+" judges it again", "%w", err)
			}
			out := e.output(c)
			if out.json {
				return out.value(rep)
			}
			return rep.Render(out.w, out.style)
		},
	}
}
