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

// minProcs is the least number of the Go runtime's processor slots.
const minProcs = 8

// Main is the command `netsplit agent`; args are what follows. It returns the exit code: 0 after it healed everything
// because ctx ended, it was told to stop, or the bridge disappeared; 2 for wrong arguments; 3 when it failed.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseArgs(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "netsplit agent: %v\n", err)
		return exitUsage
	}
	// The delay engine's thread must find a free processor slot of the Go runtime whenever it wakes, also while another
	// thread that has one is kept waiting by the rest of the machine.
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

// parseArgs reads the command line. Usage goes to out when it is asked for.
func parseArgs(args []string, out io.Writer) (Config, error) {
	var cfg Config
	var lease string
	fs := flag.NewFlagSet("agent", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&cfg.Testnet, "testnet", "", "`ID` of the testnet whose faults to own (required)")
	fs.StringVar(&cfg.Socket, "socket", "", "`path` of the Unix socket to listen on (required)")
	fs.StringVar(&lease, "lease", "none", "`require`: heal everything when nobody holds a lease; none: faults last until they are healed")
	fs.StringVar(&cfg.Bridge, "bridge", "", "heal and end when the bridge `interface` disappears")
	fs.StringVar(&cfg.Journal, "journal", "", "`file` to record in what is about to be put into the kernel")
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
	case lease != "require" && lease != "none":
		return cfg, fmt.Errorf("--lease is %q, must be require or none", lease)
	}
	cfg.RequireLease = lease == "require"
	if err := checkTestnet(cfg.Testnet); err != nil {
		return cfg, fmt.Errorf("--testnet: %w", err)
	}
	return cfg, nil
}

// checkTestnet says what is wrong with a testnet's ID.
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
