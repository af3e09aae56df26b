package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/netsplit/netsplit/node/daemon/api"
)

// Exit codes of Main.
const (
	exitOK      = 0 // stopped when told to
	exitFailure = 1 // the node could not start or go on
	exitUsage   = 2 // wrong arguments or a mistake in the configuration
)

const usage = `Usage: netsplit node --config FILE

Runs a node until it is told to stop by SIGTERM or SIGINT. Its event log goes to standard output, one JSON object a line.

  --config FILE   the node's configuration, JSON (required)
  --version       print the version and exit
`

// Main is the command "netsplit node": args are the arguments after it, the result is the exit code. It handles SIGTERM
// and SIGINT itself.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("netsplit node", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed here, once
	config := flags.String("config", "", "")
	version := flags.Bool("version", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		return misused(stderr, err)
	case *version:
		fmt.Fprintf(stdout, "netsplit node %s\n", api.Version())
		return exitOK
	case flags.NArg() > 0:
		return misused(stderr, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	case *config == "":
		return misused(stderr, errors.New("--config is required"))
	}

	cfg, err := LoadConfig(*config)
	if err != nil {
		fmt.Fprintf(stderr, "netsplit node: %v\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := Run(ctx, cfg, stdout); err != nil {
		fmt.Fprintf(stderr, "netsplit node %s: %v\n", cfg.Name, err)
		return exitFailure
	}
	return exitOK
}

func misused(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "netsplit node: %v\n\n%s", err, usage)
	return exitUsage
}
