package cli

import (
	"errors"
	"fmt"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/testnets"
)

// chainImageCommand is for those who start nodes themselves, to attach to them later.
func (e *env) chainImageCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "image",
		Usage:     "make the image of a chain's nodes if it is not there yet, and print its reference",
		ArgsUsage: "CHAIN",
		Action: func(c *ucli.Context) error {
			file, err := testnets.OpenChain(c.Args().First())
			if err != nil {
				return usageError(err)
			}
			d, err := docker.New(c.Context, docker.Options{})
			if err != nil {
				return noEngine(err)
			}
			chain := external.New(file, d, d.Transport(), func(text string) { fmt.Fprintf(e.err, "  %s\n", text) })
			ref, err := chain.Capabilities().BuildImage(c.Context)
			if err == nil {
				_, err = fmt.Fprintln(e.out, ref)
			}
			return errors.Join(err, d.Detach())
		},
	}
}
