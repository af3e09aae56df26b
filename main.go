// Netsplit spins up real multi-node testnets, breaks their network on purpose, and proves from the recorded history
// whether consensus and propagation held. One binary has three modes: the command line, the node, the fault agent.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/node/daemon"
	"github.com/netsplit/netsplit/node/version"
	"github.com/netsplit/netsplit/orchestrator/cli"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	code := run(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs the mode that the first argument names and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 1 {
		switch args[1] {
		case "node":
			return daemon.Main(ctx, args[2:], stdout, stderr)
		case "agent":
			if slices.Contains(args[2:], "--version") {
				fmt.Fprintln(stdout, "netsplit", version.String())
				return 0
			}
			return agent.Main(ctx, args[2:], stdout, stderr)
		}
	}
	// When the reader of our output goes away, the testnet must still be removed: ignore SIGPIPE.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return cli.Main(ctx, args, stdout, stderr)
}
