package cli

import (
	"context"
	"fmt"
	"io"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

func downCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "down",
		Usage:     "remove a testnet and everything that belongs to it",
		ArgsUsage: "[TESTNET]",
		Flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "all", Usage: "remove every testnet on this host, and what crashed runs left"},
		},
		Action: func(c *ucli.Context) error {
			if c.Bool("all") {
				if c.Args().Present() {
					return usagef("", "down takes a testnet or --all, not both")
				}
				return downAll(c.Context, e.stdout)
			}
			t, err := findTestnet(c.Context, c.Args().First())
			if err != nil {
				return err
			}
			if err := docker.Remove(c.Context, t.ID); err != nil {
				return infrastructure(err, "")
			}
			fmt.Fprintf(e.stdout, "removed %s\n", t.ID)
			return removeRunDir(t.Dir, t.ID)
		},
	}
}

func downAll(ctx context.Context, w io.Writer) error {
	all, err := docker.List(ctx)
	if err != nil {
		return noEngine(err)
	}
	removed, err := docker.RemoveAll(ctx)
	for _, id := range removed {
		fmt.Fprintf(w, "removed %s\n", id)
	}
	if err != nil {
		return infrastructure(err, "")
	}
	if len(removed) == 0 {
		fmt.Fprintln(w, "nothing to remove")
	}
	for _, t := range all {
		if err := removeRunDir(t.Dir, t.ID); err != nil {
			return err
		}
	}
	return nil
}
