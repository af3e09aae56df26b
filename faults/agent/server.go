package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
)

// Config says whose agent it is and where it works.
type Config struct {
	// Testnet is the testnet's ID, [a-z0-9-], 1 to 40 bytes.
	Testnet string
	// Socket is the path of the Unix socket to listen on. A socket that nobody listens on any more is replaced.
	Socket string
	// RequireLease makes faults last only while somebody holds a lease.
	RequireLease bool
	// Bridge is the name of the testnet's bridge; when it disappears the agent heals and ends. Empty: not watched.
	Bridge string
	// Journal is the file that says what the agent is about to put into the kernel. Empty: none.
	Journal string
	// Netns is the path of the network namespace that carries the bridge. Empty: the caller's own.
	Netns string
}

// prober measures links; kernelProber is one.
type prober interface {
	Probe(ctx context.Context, hosts []Host, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error)
	// Keep lets go of hosts that are gone.
	Keep(hosts []Host)
	Close() error
}

// shutdownTime bounds how long requests in progress may take to end once the faults are healed.
const shutdownTime = 5 * time.Second

// Server is a running agent.
type Server struct {
	core     *core
	prober   prober
	forwards forwarder

	once     sync.Once
	stopping chan struct{}
	cause    error // why it stops; nil when it was asked to. Read after stopping.
}

// Serve is the agent: it opens the engine, listens, and returns when ctx ends, it is told to stop, or the bridge
// disappears; everything is healed then, and the error is nil. ready, if not nil, is called once it listens. It fails
// with an error wrapping nft.ErrOwned when the testnet has a live agent.
func Serve(ctx context.Context, cfg Config, ready func()) (err error) {
	if err := checkTestnet(cfg.Testnet); err != nil {
		return err
	}
	j, err := openJournal(cfg.Journal)
	if err != nil {
		return err
	}
	s := &Server{stopping: make(chan struct{})}
	eng, err := openEngine(cfg, j)
	if err != nil {
		return errors.Join(j.explain(err), j.close(false))
	}
	s.core = &core{testnet: cfg.Testnet, engine: eng, strict: cfg.RequireLease, broken: s.stop}
	s.prober = newProber()
	// The journal's entry goes only after what it speaks of has gone.
	defer func() {
		healed := s.core.close()
		err = errors.Join(err, healed, s.prober.Close(), j.close(healed == nil))
	}()
	stopWatch, err := watchBridge(cfg, func() { s.stop(nil) }, s.stop)
	if err != nil {
		return err
	}
	defer stopWatch()
	return s.serve(ctx, cfg.Socket, ready)
}

// openEngine opens the kernel's engine in the configured namespace.
func openEngine(cfg Config, j *journal) (*shape.Engine, error) {
	var e *shape.Engine
	err := inNetns(cfg.Netns, func() (err error) {
		e, err = shape.Open(shape.Config{Testnet: cfg.Testnet, Bridge: cfg.Bridge, Record: func(table string, queue uint16) error {
			return j.record(entry{Testnet: cfg.Testnet, PID: os.Getpid(), Table: table, Queue: queue})
		}})
		return err
	})
	return e, err
}

// stop makes the server end. Only the first call counts.
func (s *Server) stop(cause error) {
	s.once.Do(func() {
		s.cause = cause
		close(s.stopping)
	})
}

// serve answers requests until the server is to stop.
func (s *Server) serve(ctx context.Context, socket string, ready func()) error {
	ln, err := listen(socket)
	if err != nil {
		return err
	}
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	if ready != nil {
		ready()
	}
	select {
	case <-ctx.Done():
		s.stop(nil)
	case <-s.stopping:
	case <-s.core.engine.Failed():
		s.stop(fmt.Errorf("the engine failed: %w", s.core.engine.Cause()))
	case err := <-ended:
		s.stop(fmt.Errorf("serve %s: %w", socket, err))
		ended <- nil
	}
	<-s.stopping
	// Heal before anything that may take time.
	healed := s.core.close()
	cancel()
	s.forwards.close()
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer done()
	if err := srv.Shutdown(grace); err != nil {
		srv.Close()
	}
	if err := <-ended; err != nil && !errors.Is(err, http.ErrServerClosed) {
		healed = errors.Join(healed, err)
	}
	return errors.Join(s.cause, healed)
}

// listen listens on a Unix socket that only the owner of its directory may use.
func listen(socket string) (net.Listener, error) {
	if err := clearSocket(socket); err != nil {
		return nil, err
	}
	ln, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", socket, err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("protect socket: %w", err)
	}
	if err := giveTo(socket, filepath.Dir(socket)); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// clearSocket removes a socket that a dead agent left. It refuses anything else that is there.
func clearSocket(socket string) error {
	info, err := os.Lstat(socket)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an old socket: %w", err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("listen on %s: it exists and is not a socket", socket)
	}
	if c, err := net.Dial("unix", socket); err == nil {
		c.Close()
		return fmt.Errorf("listen on %s: another process listens there", socket)
	}
	if err := os.Remove(socket); err != nil {
		return fmt.Errorf("remove old socket: %w", err)
	}
	return nil
}
