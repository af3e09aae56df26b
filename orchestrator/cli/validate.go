package cli

import (
	"fmt"
	"strconv"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/testnets"
)

func validateCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "validate",
		Usage:     "check scenario files without running them",
		ArgsUsage: "SCENARIO...",
		Flags:     []ucli.Flag{jsonFlag()},
		Action: func(c *ucli.Context) error {
			var checked []validated
			var rows [][]string
			for _, name := range c.Args().Slice() {
				v, err := validate(name)
				if err != nil {
					return usageError(err)
				}
				checked = append(checked, v)
				rows = append(rows, []string{name, "ok", strconv.Itoa(v.Nodes), strconv.Itoa(v.Faults), v.Duration})
			}
			return e.output(c).table(checked, []string{"scenario", "", "nodes", "faults", "duration"}, rows)
		},
	}
}

// validated is what validate prints of a scenario.
type validated struct {
	File     string `json:"file"`
	Name     string `json:"name"`
	Nodes    int    `json:"nodes"`
	Faults   int    `json:"faults"`
	Duration string `json:"duration"`
}

func validate(name string) (validated, error) {
	spec, err := testnets.Open(name)
	if err != nil {
		return validated{}, err
	}
	if err := run.Check(spec, nil); err != nil {
		return validated{}, err
	}
	return validated{
		File: spec.File, Name: spec.Name, Nodes: len(spec.NodeIDs()), Faults: len(spec.Faults),
		Duration: fmt.Sprint(spec.Duration),
	}, nil
}
