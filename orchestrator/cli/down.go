package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

func downCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "down",
		Usage:     "remove a testnet and everything that belongs to it",
		ArgsUsage: "[TESTNET]",
		Flags: []ucli.Flag{
			&ucli.BoolFlag{Name: "all", Usage: "remove every testnet whose netsplit has ended, and what crashed runs left"},
			&ucli.BoolFlag{Name: "force", Usage: "with --all: also those whose netsplit still runs"},
		},
		Action: func(c *ucli.Context) error {
			if c.Bool("all") {
				if c.Args().Present() {
					return usagef("", "down takes a testnet or --all, not both")
				}
				return downAll(c.Context, e.stdout, c.Bool("force"))
			}
			if c.Bool("force") {
				return usagef("a testnet that is named is removed in any case", "--force needs --all")
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

func downAll(ctx context.Context, w io.Writer, force bool) error {
	all, err := docker.List(ctx)
	if err != nil {
		return noEngine(err)
	}
	done, err := docker.RemoveAll(ctx, force)
	for _, id := range done.IDs {
		fmt.Fprintf(w, "removed %s\n", id)
	}
	for _, t := range done.Spared {
		fmt.Fprintf(w, "spared %s, whose netsplit still runs: `netsplit down %s` or --all --force removes it\n", t.ID, t.ID)
	}
	if err != nil {
		return infrastructure(err, "")
	}
	if len(done.IDs)+len(done.Spared) == 0 {
		fmt.Fprintln(w, "nothing to remove")
	}
	for _, t := range all {
		if !slices.Contains(done.IDs, t.ID) {
			continue
		}
		if err := removeRunDir(t.Dir, t.ID); err != nil {
			return err
		}
	}
	return nil
}
