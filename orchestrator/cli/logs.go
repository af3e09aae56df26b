package cli

import (
	"fmt"

	ucli "github.com/urfave/cli/v2"
)

func logsCommand(e *env, open opener) *ucli.Command {
	return &ucli.Command{
		Name:      "logs",
		Usage:     "print what a node of a running testnet printed",
		ArgsUsage: "NODE",
		Flags: []ucli.Flag{testnetFlag(),
			&ucli.IntFlag{Name: "tail", Aliases: []string{"n"}, Value: 100, Usage: "print the last `N` lines"}},
		Action: func(c *ucli.Context) error {
			if c.Int("tail") < 1 {
				return usagef("", "--tail must be at least 1")
			}
			t, err := open(c.Context, c.String(flagTestnet))
			if err != nil {
				return err
			}
			defer t.close()
			node, err := t.node(c.Args().First())
			if err != nil {
				return err
			}
			lines, err := t.Logs(c.Context, node, c.Int("tail"))
			if err != nil {
				return infrastructure(err, "")
			}
			for _, l := range lines {
				fmt.Fprintln(e.stdout, l)
			}
			return nil
		},
	}
}
