// Netsplit spins up real multi-node testnets, breaks their network on purpose, and proves from the recorded history
// whether consensus and propagation held. One binary wears three hats: the command line, the node, the fault agent.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/node/daemon"
	"github.com/netsplit/netsplit/orchestrator/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args)
	stop()
	os.Exit(code)
}

// run hands over to the hat that the first argument names, and returns the exit code.
func run(ctx context.Context, args []string) int {
	if len(args) > 1 {
		switch args[1] {
		case "node":
			return daemon.Main(ctx, args[2:], os.Stdout, os.Stderr)
		case "agent":
			return agent.Main(ctx, args[2:], os.Stdout, os.Stderr)
		}
	}
	return cli.Main(ctx, args, os.Stdout, os.Stderr)
}
