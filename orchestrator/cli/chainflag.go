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
		chainFlag(),
		&ucli.StringSliceFlag{
			Name:  flagAttach,
			Usage: "run on containers that are there: `WHICH`, LABEL=VALUE or a name; repeat it, or use commas",
		},
		&ucli.StringFlag{
			Name: flagNetwork, Usage: "with --attach: the network `NAME` to split", Action: networkNeedsAttach,
		},
	}
}

func chainFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: flagChain, Value: ourChain, DefaultText: ourChain, Usage: "run nodes of `CHAIN`: a name or a chain file",
	}
}

// chainOf returns the chain file that the command line names, nil for our own chain.
func chainOf(c *ucli.Context) (*testnets.Chain, error) {
	return openChain(c.String(flagChain))
}

// openChain reads a chain file by name or path, nil for our own chain.
func openChain(name string) (*testnets.Chain, error) {
	if name == "" || name == ourChain {
		return nil, nil
	}
	file, err := testnets.OpenChain(name)
	if err != nil {
		return nil, usageError(err)
	}
	return file, nil
}
