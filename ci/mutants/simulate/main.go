// Simulate records one simulated run of a scenario: simulate SCENARIO SEED DIR. It is `netsplit run --runtime sim` without all
// that the simulator does not need, so that more than a hundred of it, each with another bug in the node, are built in
// minutes. It judges nothing: the judge must not contain the bug.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/testnets"
)

func main() {
	if err := record(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
}

func record(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want SCENARIO SEED DIR, got %d arguments", len(args))
	}
	spec, err := testnets.Open(args[0])
	if err != nil {
		return err
	}
	if spec.Seed, err = strconv.ParseUint(args[1], 10, 64); err != nil {
		return err
	}
	r := sim.New(sim.Options{Seed: spec.Seed})
	if err := run.Check(spec, r); err != nil {
		return err
	}
	return run.Run(context.Background(), run.Options{
		ID: fmt.Sprintf("%s-%d", spec.Name, spec.Seed), Spec: spec, Runtime: r, Chain: native.New(r.Transport()), Dir: args[2],
	})
}
