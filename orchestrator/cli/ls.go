package cli

import (
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

func (e *env) lsCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "ls",
		Usage: "list the testnets on this host",
		Flags: []ucli.Flag{jsonFlag()},
		Action: func(c *ucli.Context) error {
			all, err := docker.List(c.Context)
			if err != nil {
				return noEngine(err)
			}
			var rows [][]string
			for _, t := range all {
				running := 0
				for _, n := range t.Nodes {
					if n.State == docker.NodeRunning {
						running++
					}
				}
				rows = append(rows, []string{
					t.ID, t.Scenario, fmt.Sprintf("%d/%d", running, len(t.Nodes)),
					time.Since(t.Created).Round(time.Second).String(),
				})
			}
			if len(all) == 0 && !c.Bool(flagJSON) {
				fmt.Fprintln(e.out, "no testnet is running")
				return nil
			}
			return e.table(c, all, []string{"testnet", "scenario", "nodes running", "age"}, rows)
		},
	}
}
