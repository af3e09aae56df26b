package cli

import (
	"fmt"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

func (e *env) downCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "down",
		Usage:     "remove a testnet and everything that belongs to it",
		ArgsUsage: "[TESTNET]",
		Flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "all", Usage: "remove every testnet of netsplit on this host, also what crashed runs left"},
		},
		Action: func(c *ucli.Context) error {
			if c.Bool("all") {
				return e.downAll(c)
			}
			t, err := findTestnet(c.Context, c.Args().First())
			if err != nil {
				return err
			}
			if err := docker.Remove(c.Context, t.ID); err != nil {
				return infrastructure(err, "")
			}
			fmt.Fprintf(e.out, "removed %s\n", t.ID)
			return removeState(t.Dir, t.ID)
		},
	}
}

func (e *env) downAll(c *ucli.Context) error {
	if c.Args().Present() {
		return usagef("", "down takes a testnet or --all, not both")
	}
	all, err := docker.List(c.Context)
	if err != nil {
		return noEngine(err)
	}
	removed, err := docker.RemoveAll(c.Context)
	for _, id := range removed {
		fmt.Fprintf(e.out, "removed %s\n", id)
	}
	if err != nil {
		return infrastructure(err, "")
	}
	if len(removed) == 0 {
		fmt.Fprintln(e.out, "nothing to remove")
	}
	for _, t := range all {
		if err := removeState(t.Dir, t.ID); err != nil {
			return err
		}
	}
	return nil
}
