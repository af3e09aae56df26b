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
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
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
	// A reader of what is printed that goes away is no reason to die at once and leave a testnet behind.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return cli.Main(ctx, args, os.Stdout, os.Stderr)
}
