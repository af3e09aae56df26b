package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/behavior"
	"github.com/netsplit/netsplit/node/daemon/api"
	"github.com/netsplit/netsplit/node/version"
)

// Exit codes of Main.
const (
	exitOK      = 0 // stopped by a signal
	exitFailure = 1 // the node could not start, or failed
	exitUsage   = 2 // invalid arguments or configuration
)

const usage = `Usage: netsplit node --config FILE

Runs a node until SIGTERM or SIGINT. It writes its event log to standard output, one JSON object per line.

  --config FILE   the node's configuration, JSON (required)
  --version       print the version and exit
`

// Main is the command "netsplit node": args are the arguments after it, the result is the exit code. It handles SIGTERM
// and SIGINT.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("netsplit node", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed here, once
	config := flags.String("config", "", "")
	showVersion := flags.Bool("version", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitOK
	case err != nil:
		return misused(stderr, err)
	case *showVersion:
		fmt.Fprintln(stdout, "netsplit", version.String())
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
	if err := run(ctx, cfg, stdout, nil); err != nil {
		fmt.Fprintf(stderr, "netsplit node %s: %v\n", cfg.Name, err)
		return exitFailure
	}
	return exitOK
}

func misused(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "netsplit node: %v\n\n%s", err, usage)
	return exitUsage
}

// addrs are the addresses that a node listens on, with real ports where the configuration has port 0.
type addrs struct {
	peers string // TCP host:port for peers
	api   string // host:port of the HTTP API
}

// shutdownTimeout is how long requests to the API may take to finish while the node stops.
const shutdownTimeout = 3 * time.Second

// run runs a node until ctx ends, and returns nil, or until it fails. It validates cfg first and writes the event log to
// stdout. ready, if not nil, is called once, when the node listens on both addresses and before it accepts connections.
// When run returns, all goroutines, files and sockets of the node are closed.
func run(ctx context.Context, cfg node.Config, stdout io.Writer, ready func(addrs)) (err error) {
	if err := validate(&cfg); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	self, err := newIdentity(cfg.Key)
	if err != nil {
		return fmt.Errorf("configuration: key: %w", err)
	}
	release := func(close func() error) { err = errors.Join(err, close()) }

	store, stored, err := openStore(cfg.Data, cfg.Genesis.Block().Hash())
	if err != nil {
		return err
	}
	defer release(store.close)
	clock := newClock()
	m, n, err := behavior.New(cfg, node.Deps{}, stored, clock.now())
	if err != nil {
		return fmt.Errorf("start node from %s: %w", store.path, err)
	}
	peers, err := newPeerNet(ctx, self, cfg.Listen)
	if err != nil {
		return err
	}
	defer release(peers.close)
	config := net.ListenConfig{}
	apiListener, err := config.Listen(ctx, "tcp", cfg.API)
	if err != nil {
		return fmt.Errorf("listen for the API on %s: %w", cfg.API, err)
	}
	if ready != nil {
		ready(addrs{peers: peers.listener.Addr().String(), api: apiListener.Addr().String()})
	}
	l := newLoop(n, m, store, &eventLog{w: stdout}, peers, clock)
	return host(ctx, l, newServer(api.Handler(l)), apiListener)
}

// host runs the loop and the API until ctx ends or one of them fails. It closes the listener.
func host(ctx context.Context, l *loop, s *server, apiListener net.Listener) error {
	loopCtx, stopLoop := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLoop()
	loopDone := make(chan error, 1)
	go func() { loopDone <- l.run(loopCtx) }()
	l.net.serve()
	s.start(apiListener)

	var err error
	ended := false
	select {
	case <-ctx.Done():
	case err = <-loopDone:
		ended = true
	case err = <-s.failed:
	}
	// Requests finish first, while the loop still answers them.
	err = errors.Join(err, s.stop(context.WithoutCancel(ctx)))
	if !ended {
		stopLoop()
		err = errors.Join(err, <-loopDone)
	}
	return err
}

// server is the HTTP server of the API.
type server struct {
	http   *http.Server
	failed chan error // gets the error if Serve fails; buffered
	done   chan struct{}
}

func newServer(h http.Handler) *server {
	return &server{
		http: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       time.Minute,
			MaxHeaderBytes:    16 << 10,
			// Errors of clients are not this node's to log.
			ErrorLog: log.New(io.Discard, "", 0),
		},
		failed: make(chan error, 1),
		done:   make(chan struct{}),
	}
}

func (s *server) start(l net.Listener) {
	go func() {
		defer close(s.done)
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve the API: %w", err)
		}
	}()
}

// stop lets requests finish for at most shutdownTimeout and returns when the server has ended.
func (s *server) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close() // a client that never ends its request must not block the stop
	}
	<-s.done
	if err != nil {
		return fmt.Errorf("stop the API: %w", err)
	}
	return nil
}
