package cli

import (
	ucli "github.com/urfave/cli/v2"
)

var strictFlag = &ucli.BoolFlag{Name: "strict", Usage: "UNKNOWN and VACUOUS fail too"}

func (e *env) checkCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "check",
		Usage:     "judge a recorded run again, from its directory alone",
		ArgsUsage: "[RUN]",
		Description: "RUN is a run's directory or id; without it, the latest. The exit code is that of `run`. The report.json in\n" +
			"the directory is written again.",
		Flags: []ucli.Flag{jsonFlag, strictFlag},
		Action: func(c *ucli.Context) error {
			dir, err := findRun(c.Args().First())
			if err != nil {
				return err
			}
			return e.verdict(c, dir, nil)
		},
	}
}
