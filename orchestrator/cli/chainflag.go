package cli

import (
	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/testnets"
)

// ourChain is the name of the chain that netsplit's own node makes.
const ourChain = "netsplit"

// chainFlag chooses whose nodes a scenario runs on.
func chainFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: flagChain, Value: ourChain, DefaultText: ourChain,
		Usage: "run nodes of the chain `CHAIN`: a name or a chain file",
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
