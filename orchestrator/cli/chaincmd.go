package cli

import (
	"fmt"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/testnets"
)

func (e *env) chainCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "chain",
		Usage: "chains that scenarios can run on, beside netsplit's own",
		Subcommands: []*ucli.Command{
			{
				Name:  "ls",
				Usage: "list the ready chain files",
				Flags: []ucli.Flag{jsonFlag()},
				Action: func(c *ucli.Context) error {
					chains := testnets.Chains()
					var rows [][]string
					for _, x := range chains {
						rows = append(rows, []string{x.Name, x.Description})
					}
					return e.table(c, chains, []string{"chain", "what it is"}, rows)
				},
			},
			{
				Name:      "show",
				Usage:     "print a chain file",
				ArgsUsage: "CHAIN",
				Action: func(c *ucli.Context) error {
					file, err := testnets.OpenChain(c.Args().First())
					if err != nil {
						return usageError(err)
					}
					_, err = fmt.Fprintf(e.out, "%s", file.Source)
					return err
				},
			},
			e.chainInitCommand(), e.chainCheckCommand(), e.chainImageCommand(),
		},
	}
}
