package cli

import (
	ucli "github.com/urfave/cli/v2"
)

// Names of flags that several verbs have.
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

// jsonFlag is the flag of every verb that prints a table.
func jsonFlag() ucli.Flag {
	return &ucli.BoolFlag{Name: flagJSON, Usage: "print JSON instead of tables"}
}

// testnetFlag names the testnet that a verb is about.
func testnetFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: flagTestnet, Aliases: []string{"t"}, Usage: "the testnet's `ID`; not needed when only one is running",
	}
}

// forFlag bounds a fault's length.
func forFlag() ucli.Flag {
	return &ucli.DurationFlag{Name: flagFor, Usage: "heal by itself after `DURATION`", DefaultText: "when healed"}
}

// runtimeFlag chooses where nodes run.
func runtimeFlag() ucli.Flag {
	return &ucli.StringFlag{
		Name: flagRuntime, Value: runtimeAuto, DefaultText: runtimeAuto,
		Usage: "`WHERE` nodes run: docker, sim, or auto: docker if an engine answers, else sim",
	}
}

// specFlags are the flags of every verb that starts a scenario.
func specFlags() []ucli.Flag {
	return []ucli.Flag{
		runtimeFlag(),
		&ucli.IntFlag{Name: flagNodes, Usage: "scale the scenario to `N` nodes, in proportion", DefaultText: "as it says"},
		&ucli.Uint64Flag{Name: flagSeed, Usage: "replace the scenario's seed by `S`", DefaultText: "as it says"},
		&ucli.StringFlag{Name: flagImage, Usage: "local node image `REF` instead of one made from this executable"},
		&ucli.StringFlag{Name: flagOut, Usage: "put the run's directory at `DIR`"},
	}
}

// judgeFlags are the flags of every verb that judges a run.
func judgeFlags() []ucli.Flag {
	return []ucli.Flag{
		jsonFlag(),
		&ucli.BoolFlag{Name: flagStrict, Usage: "UNKNOWN and VACUOUS fail too"},
		&ucli.StringFlag{Name: flagJUnit, Usage: "write the verdicts to `FILE` as JUnit XML", TakesFile: true},
		&ucli.StringFlag{
			Name: flagSummary, Usage: "append a summary in Markdown to `FILE`", TakesFile: true,
			EnvVars: []string{"GITHUB_STEP_SUMMARY"},
		},
	}
}
