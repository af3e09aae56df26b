package cli

import (
	ucli "github.com/urfave/cli/v2"
)

// Names of flags that more than one command has.
const (
	flagJSON    = "json"
	flagStrict  = "strict"
	flagJUnit   = "junit"
	flagSummary = "summary"
	flagTestnet = "testnet"
	flagFor     = "for"
	flagRuntime = "runtime"
	flagNodes   = "nodes"
	flagSeed    = "seed"
	flagImage   = "image"
	flagOut     = "out"
	flagChain   = "chain"
	flagAttach  = "attach"
	flagNetwork = "network"
)

// jsonFlag is a flag of every command that prints a table.
func jsonFlag() ucli.Flag {
	return &ucli.BoolFlag{Name: flagJSON, Usage: "print JSON instead of tables"}
}

// testnetFlag names the testnet that a command is about.
func testnetFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: flagTestnet, Aliases: []string{"t"}, Usage: "`ID` of the testnet; not needed when only one is running",
	}
}

// forFlag limits how long a fault holds.
func forFlag() ucli.Flag {
	return &ucli.DurationFlag{Name: flagFor, Usage: "heal by itself after `DURATION`", DefaultText: "when healed"}
}

// dashed is a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
