package cli

import (
	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/testnets"
)

// ourChain is the name of the chain that netsplit's own node makes.
const ourChain = "netsplit"

// chainFlags choose whose nodes a scenario runs on.
func chainFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{
			Name: flagChain, Value: ourChain, DefaultText: ourChain,
			Usage: "run nodes of `CHAIN`: a name or a chain file",
		},
		&ucli.StringFlag{Name: flagAttach, Usage: "run on containers that are there: `WHICH`, LABEL=VALUE or names, with commas"},
		&ucli.StringFlag{Name: flagNetwork, Usage: "with --attach: the network `NAME` to split"},
	}
}

// chainOf returns the chain file that the command line names, nil for our own chain.
func chainOf(c *ucli.Context) (*testnets.Chain, error) {
	name := c.String(flagChain)
	if name == "" || name == ourChain {
		return nil, nil
	}
	file, err := testnets.OpenChain(name)
	if err != nil {
		return nil, usageError(err)
	}
	return file, nil
}
