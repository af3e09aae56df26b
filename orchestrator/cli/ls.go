package cli

import (
	"fmt"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

func lsCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "ls",
		Usage: "list the testnets on this host",
		Flags: []ucli.Flag{jsonFlag()},
		Action: func(c *ucli.Context) error {
			all, err := docker.List(c.Context)
			if err != nil {
				return noEngine(err)
			}
			out := e.output(c)
			if len(all) == 0 && !out.json {
				out.printf("no testnet is running\n")
				return nil
			}
			listed := listTestnets(all)
			var rows [][]string
			for _, t := range listed {
				rows = append(rows, []string{
					t.ID, t.Scenario, fmt.Sprintf("%d/%d", t.Running, t.Nodes), time.Since(t.Created).Round(time.Second).String(),
				})
			}
			return out.table(listed, []string{"testnet", "scenario", "nodes running", "age"}, rows)
		},
	}
}

// listedTestnet is what ls prints of a testnet.
type listedTestnet struct {
	ID       string    `json:"id"`
	Scenario string    `json:"scenario"`
	Nodes    int       `json:"nodes"`
	Running  int       `json:"running"`
	Created  time.Time `json:"created"`
	Dir      string    `json:"directory"`
}

func listTestnets(all []docker.Testnet) []listedTestnet {
	out := []listedTestnet{} // not nil: JSON shows an empty list
	for _, t := range all {
		x := listedTestnet{ID: t.ID, Scenario: t.Scenario, Nodes: len(t.Nodes), Created: t.Created, Dir: t.Dir}
		for _, n := range t.Nodes {
			if n.State == docker.NodeRunning {
				x.Running++
			}
		}
		out = append(out, x)
	}
	return out
}
