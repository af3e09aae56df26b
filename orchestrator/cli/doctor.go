package cli

import (
	"context"
	"os"
	"runtime"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

func doctorCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:  "doctor",
		Usage: "test what this host supports",
		Description: "Tests the container engine and the kernel's means to cut and delay links. The latter is done in network namespaces " +
			"made for the test, which needs root. The exit code is 3 when testnets cannot run in containers here.",
		Flags: []ucli.Flag{jsonFlag()},
		Action: func(c *ucli.Context) error {
			checks := examine(c.Context, docker.Available, shape.Check, os.Geteuid() == 0)
			if err := e.output(c).table(checks, []string{"what", "status", "found", "what to do"}, checkRows(checks)); err != nil {
				return err
			}
			for _, x := range checks {
				if !x.OK && x.Needed {
					return &exitError{code: exitInfrastructure}
				}
			}
			return nil
		},
	}
}

// check is one test of doctor.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // by the docker runtime
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// examine runs all tests. kernel tests what the kernel supports, which needs root: without root nothing is known of the
// kernel, and the fault agent, which has the privileges it needs, may well work.
func examine(ctx context.Context, engine func(context.Context) (string, error),
	kernel func(context.Context) []shape.CheckResult, root bool) []check {
	checks := []check{{Name: "simulator", OK: true, Detail: runtime.GOOS + "/" + runtime.GOARCH}}
	docker := check{Name: "Docker Engine", OK: true, Needed: true}
	version, err := engine(ctx)
	docker.Detail = version
	if err != nil {
		docker.OK, docker.Detail, docker.Hint = false, err.Error(), "--runtime sim needs no engine"
	}
	checks = append(checks, docker)
	if !root {
		return append(checks, check{
			Name: "kernel", Detail: "not tested: that needs root", Hint: "run sudo netsplit doctor to test whether links can be cut and delayed",
		})
	}
	for _, r := range kernel(ctx) {
		checks = append(checks, check{Name: r.Name, OK: r.OK, Needed: !r.Optional, Detail: r.Text, Hint: r.Hint})
	}
	return checks
}

func checkRows(checks []check) [][]string {
	var rows [][]string
	for _, x := range checks {
		mark := "ok"
		switch {
		case !x.OK && x.Needed:
			mark = "missing"
		case !x.OK:
			mark = "-"
		}
		rows = append(rows, []string{x.Name, mark, x.Detail, x.Hint})
	}
	return rows
}
