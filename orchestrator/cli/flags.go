package cli

import (
	"time"

	ucli "github.com/urfave/cli/v2"
)

// Names of flags that more than one command has.
const (
	flagJSON    = "json"
	flagStrict  = "strict"
	flagAllow   = "allow-unknown"
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

	flagStartTimeout = "start-timeout"
	flagSubnet       = "subnet"
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

// startTimeoutFlag limits the wait for nodes that start.
func startTimeoutFlag() ucli.Flag {
	return &ucli.DurationFlag{
		Name: flagStartTimeout, Usage: "fail when nodes are not ready within `DURATION` of their start", DefaultText: "30s, and 0.2s more for each node",
	}
}

// checkStartTimeout refuses a wait that cannot be.
func checkStartTimeout(d *time.Duration) error {
	if d != nil && *d <= 0 {
		return usagef("for example: --"+flagStartTimeout+" 90s", "--%s must be more than 0, not %v", flagStartTimeout, *d)
	}
	return nil
}

// durationOf is the value of a flag; nil where it is not given.
func durationOf(c *ucli.Context, name string) *time.Duration {
	if !c.IsSet(name) {
		return nil
	}
	d := c.Duration(name)
	return &d
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
