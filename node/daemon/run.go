package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/daemon/api"
)

// Addrs are the addresses that a node really listens on, which matters where the configuration has port 0.
type Addrs struct {
	Peers string // TCP host:port for peers
	API   string // host:port of the HTTP API
}

// Option changes how Run runs a node.
type Option func(*options)

type options struct {
	ready func(Addrs)
}

// OnReady makes Run call fn once, when the node listens on both addresses and before it does anything else.
func OnReady(fn func(Addrs)) Option { return func(o *options) { o.ready = fn } }

// shutdownTimeout is how long requests to the API may take to finish after the node was told to stop.
const shutdownTimeout = 3 * time.Second

// Run runs a node until ctx ends, and returns nil, or until it cannot go on. The event log goes to stdout. When Run
// returns, nothing of the node is left but its data directory. cfg is validated first.
func Run(ctx context.Context, cfg node.Config, stdout io.Writer, opts ...Option) (err error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
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
	n, err := node.New(cfg, node.Deps{}, stored, clock.now())
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
	if o.ready != nil {
		o.ready(Addrs{Peers: peers.listener.Addr().String(), API: apiListener.Addr().String()})
	}
	l := newLoop(n, store, &eventLog{w: stdout}, peers, clock)
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
