package cli

import (
	"context"
	"os"
	"runtime"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

func (e *env) doctorCommand() *ucli.Command {
	return &ucli.Command{
		Name:  "doctor",
		Usage: "show what this host can do, by doing it",
		Description: "Tries the container engine and the kernel's means to cut and delay links, the latter in network namespaces of\n" +
			"its own, which takes root. The exit code is 3 when testnets cannot run in containers here.",
		Flags: []ucli.Flag{jsonFlag()},
		Action: func(c *ucli.Context) error {
			checks := examine(c.Context, docker.Available, shape.Check, os.Geteuid() == 0)
			if err := e.table(c, checks, []string{"what", "status", "found", "what to do"}, checkRows(checks)); err != nil {
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

// check is one thing that doctor looked at.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // by the docker runtime
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// examine looks at everything. What the kernel can do is found out by kernel, which needs root: without it nothing is
// known of the kernel, and the fault agent, which has what it needs, may well work.
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
			Name: "kernel", Detail: "not tried: that takes root", Hint: "sudo netsplit doctor, to see whether links can be cut and delayed",
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
