package cli

import (
	"errors"

	ucli "github.com/urfave/cli/v2"
)

func (e *env) checkCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "check",
		Usage:     "judge a recorded run again, from its directory alone",
		ArgsUsage: "[RUN]",
		Description: "RUN is a run's directory or id; without it, the latest. The exit code is that of `run`. The report.json in\n" +
			"the directory is written again.",
		Flags: judgeFlags(),
		Action: func(c *ucli.Context) error {
			dir, err := findRun(c)
			if err != nil {
				return err
			}
			out, err := openOutputs(c)
			if err != nil {
				return err
			}
			rep, err := judge(dir)
			if err == nil {
				err = e.verdict(c, out, rep, nil)
			}
			return errors.Join(err, out.close())
		},
	}
}
