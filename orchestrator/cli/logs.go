package cli

import (
	"fmt"

	ucli "github.com/urfave/cli/v2"
)

func (e *env) logsCommand() *ucli.Command {
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
			a, err := e.attach(c.Context, c.String(flagTestnet))
			if err != nil {
				return err
			}
			defer a.detach()
			node, err := a.node(c.Args().First())
			if err != nil {
				return err
			}
			lines, err := a.Logs(c.Context, node, c.Int("tail"))
			if err != nil {
				return infrastructure(err, "")
			}
			for _, l := range lines {
				fmt.Fprintln(e.out, l)
			}
			return nil
		},
	}
}
