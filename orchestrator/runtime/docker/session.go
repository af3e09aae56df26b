package docker

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/docker/docker/client"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// ErrClosed is returned by calls after Close.
var ErrClosed = errors.New("the testnet is closed")

// session is a runtime's connection to the engine and the lifetime of all that it does: calls, background goroutines and
// HTTP connections to nodes. It does not know what a testnet is made of.
type session struct {
	cli     *client.Client
	version string // the engine's
	clock   runtime.Clock
	http    *http.Transport

	// life ends when Close or Detach begins. The goroutines of workers end with it.
	life    context.Context
	end     context.CancelFunc
	workers sync.WaitGroup

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // calls that make things on the engine
}

// openSession connects to the local engine and checks that testnets can run there. The error wraps ErrUnavailable when
// they cannot.
func openSession(ctx context.Context) (*session, error) {
	cli, version, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := inPlace(ctx, cli); err != nil {
		cli.Close()
		return nil, err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	return &session{
		clock: runtime.NewRealClock(), cli: cli, version: version, life: life, end: end,
		http: newTransport(),
	}, nil
}

// maxHeader bounds the header of a node's reply, in bytes.
const maxHeader = 64 << 10

// newTransport returns what makes requests to nodes. Who reads a reply bounds its body.
func newTransport() *http.Transport {
	return &http.Transport{
		// A node that is cut off or paused must not hold a caller for the kernel's two minutes.
		DialContext:            (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
		DisableCompression:     true, // a bomb would be unpacked
		MaxResponseHeaderBytes: maxHeader,
	}
}

// Clock implements runtime.Runtime: it is real time.
func (s *session) Clock() runtime.Clock { return s.clock }

// Transport implements runtime.Runtime: requests go straight to the nodes' addresses, past any proxy.
func (s *session) Transport() http.RoundTripper { return s.http }

// begin enters a call that makes things on the engine. It returns a context that ends with ctx and with the session, and
// a function to be called at the call's end.
func (s *session) begin(ctx context.Context) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, ErrClosed
	}
	s.calls.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		s.calls.Done()
	}, nil
}

// retire refuses further calls, cancels those under way, and waits for all that runs in the background.
func (s *session) retire() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.calls.Wait()
	s.workers.Wait()
	s.http.CloseIdleConnections()
}

// Detach releases the testnet without ending it: nothing more comes to the sink, and Open finds it again. Close after
// Detach still removes it.
func (s *session) Detach() error {
	s.retire()
	return s.cli.Close()
}

// requestTimeout bounds a request to the engine that is not cancelled with its caller.
const requestTimeout = 2 * time.Minute

// uncancelled returns a context for a request that makes something: a request that is cancelled may still succeed, after
// clean-up has looked.
func uncancelled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
}

// CPUWait implements runtime.CPUMeter: the engine is on this host.
func (s *session) CPUWait() (time.Duration, bool) { return cpuWait() }
