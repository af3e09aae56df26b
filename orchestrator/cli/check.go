package cli

import (
	"errors"

	ucli "github.com/urfave/cli/v2"
)

func checkCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "check",
		Usage:     "judge a recorded run again, from its directory alone",
		ArgsUsage: "[RUN]",
		Description: "RUN is a run's directory or id; without it, the latest run is judged. The report.json in the directory is " +
			"written again. The exit code is that of `netsplit run`.",
		Flags: judgeFlags(),
		Action: func(c *ucli.Context) error {
			dir, err := findRun(c.Args().First())
			if err != nil {
				return err
			}
			v, err := openVerdicts(c, e.output(c))
			if err != nil {
				return err
			}
			rep, err := judge(dir)
			if err == nil {
				err = v.show(rep, nil)
			}
			return errors.Join(err, v.close())
		},
	}
}
