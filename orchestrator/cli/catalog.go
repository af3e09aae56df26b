package cli

import (
	"fmt"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/testnets"
)

func catalogCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "catalog",
		Usage:     "list the built-in scenarios, or print one",
		ArgsUsage: "[SCENARIO]",
		Flags:     []ucli.Flag{jsonFlag()},
		Action: func(c *ucli.Context) error {
			if name := c.Args().First(); name != "" {
				spec, err := testnets.Open(name)
				if err != nil {
					return usageError(err)
				}
				_, err = fmt.Fprintf(e.stdout, "%s", spec.Source)
				return err
			}
			entries := testnets.Catalog()
			var rows [][]string
			for _, s := range entries {
				rows = append(rows, []string{s.Name, s.Description})
			}
			return e.output(c).table(entries, []string{"scenario", "what happens"}, rows)
		},
	}
}
