package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
)

// Exit codes of Main.
const (
	exitOK     = 0
	exitUsage  = 2
	exitFailed = 3
)

// minProcs is the least GOMAXPROCS.
const minProcs = 8

// Main is the command `netsplit agent`; args are its arguments. It returns the exit code: 0 after it healed everything
// because ctx ended, a client stopped it, or the bridge was deleted; 2 for wrong arguments; 3 when it failed.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseArgs(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "netsplit agent: %v\n", err)
		return exitUsage
	}
	// The delay engine's thread must get one of the Go runtime's processors whenever it wakes up, also while the threads of
	// others are waiting for a CPU.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), minProcs))
	err = Serve(ctx, cfg, func() {
		fmt.Fprintf(stdout, "agent of testnet %s listens on %s\n", cfg.Testnet, cfg.Socket)
	})
	if err != nil {
		fmt.Fprintf(stderr, "netsplit agent: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// parseArgs parses the command line. With --help it writes the usage to out.
func parseArgs(args []string, out io.Writer) (Config, error) {
	var cfg Config
	var lease string
	fs := flag.NewFlagSet("agent", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&cfg.Testnet, "testnet", "", "`ID` of the testnet whose faults to own (required)")
	fs.StringVar(&cfg.Socket, "socket", "", "`path` of the Unix socket to listen on (required)")
	fs.StringVar(&lease, "lease", "none", "`require`: heal everything when no client holds a lease; none: faults last until they are healed")
	fs.StringVar(&cfg.Bridge, "bridge", "", "heal everything and exit when the bridge `interface` is deleted")
	fs.BoolVar(&cfg.ProtectHost, "protect-host", false, "drop what comes from the bridge to addresses of this host, other than replies")
	fs.StringVar(&cfg.Journal, "journal", "", "`file` that records the table and queue in the kernel")
	fs.StringVar(&cfg.Netns, "netns", "", "`path` of the network namespace that carries the bridge; default the agent's own")
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(out, "usage: netsplit agent --testnet ID --socket PATH [flags]")
		fs.SetOutput(out)
		fs.PrintDefaults()
	}
	if err != nil {
		return cfg, err
	}
	switch {
	case fs.NArg() > 0:
		return cfg, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case cfg.Socket == "":
		return cfg, errors.New("--socket is required")
	case cfg.ProtectHost && cfg.Bridge == "":
		return cfg, errors.New("--protect-host needs --bridge")
	case lease != "require" && lease != "none":
		return cfg, fmt.Errorf("--lease is %q, must be require or none", lease)
	}
	cfg.RequireLease = lease == "require"
	if err := checkTestnet(cfg.Testnet); err != nil {
		return cfg, fmt.Errorf("--testnet: %w", err)
	}
	return cfg, nil
}

// checkTestnet returns what is wrong with a testnet's ID.
func checkTestnet(id string) error {
	if id == "" || len(id) > 40 {
		return fmt.Errorf("testnet ID has %d bytes, 1 to 40 are allowed", len(id))
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("testnet ID %q has a character other than a-z, 0-9 and -", id)
		}
	}
	return nil
}
