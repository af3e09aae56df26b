package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Config configures an agent.
type Config struct {
	// Testnet is the testnet's ID, [a-z0-9-], 1 to 40 bytes.
	Testnet string
	// Socket is the path of the Unix socket to listen on. A socket that no process listens on any more is replaced.
	Socket string
	// RequireLease makes faults last only while a client holds a lease.
	RequireLease bool
	// Bridge is the name of the testnet's bridge; when it is deleted the agent heals everything and exits. Empty: not
	// watched.
	Bridge string
	// ProtectHost makes the host drop what comes from the bridge to the host's own addresses, other than replies.
	ProtectHost bool
	// Journal is the path of the file that records the table and queue that the agent creates. Empty: none.
	Journal string
	// Netns is the path of the network namespace that carries the bridge. Empty: the caller's own.
	Netns string
}

// prober measures links; *probe.Prober implements it.
type prober interface {
	Probe(ctx context.Context, hosts []Host, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error)
	// Retain closes the sockets of all other hosts.
	Retain(hosts []Host)
	Close() error
}

// shutdownTime bounds the wait for requests in progress after the faults are healed.
const shutdownTime = 5 * time.Second

// Server is a running agent.
type Server struct {
	controller *controller
	prober     prober
	forwards   forwarder

	once     sync.Once
	stopping chan struct{}
	cause    error // why it stops; nil when it was requested. Read after stopping.
}

// Serve runs an agent: it opens the engine and answers requests until ctx ends, a client stops it, or the bridge is
// deleted; everything is healed then, and the error is nil. ready, if not nil, is called once it listens. The error wraps
// nft.ErrOwned when the testnet has another running agent.
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
	s.controller = &controller{testnet: cfg.Testnet, engine: eng, requireLease: cfg.RequireLease, failed: s.stop}
	s.prober = newProber()
	// The journal is removed after the table and the queue that it names.
	defer func() {
		healed := s.controller.close()
		err = errors.Join(err, healed, s.prober.Close(), j.close(healed == nil))
	}()
	stopWatch, err := watchBridge(cfg, func() { s.stop(nil) }, s.stop)
	if err != nil {
		return err
	}
	defer stopWatch()
	return s.serve(ctx, cfg.Socket, ready)
}

// stop makes the server stop. Only the first call has an effect.
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
	case <-s.controller.engine.Failed():
		s.stop(fmt.Errorf("the engine failed: %w", s.controller.engine.Cause()))
	case err := <-ended:
		s.stop(fmt.Errorf("serve %s: %w", socket, err))
		ended <- nil
	}
	<-s.stopping
	// First heal, because the rest may take time.
	healed := s.controller.close()
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

// listen listens on a Unix socket that only the owner of its directory can connect to.
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
		return nil, fmt.Errorf("restrict access to socket: %w", err)
	}
	if err := chownLike(socket, filepath.Dir(socket)); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

// clearSocket removes a socket that no process listens on. Anything else at the path is an error.
func clearSocket(socket string) error {
	info, err := os.Lstat(socket)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check for an old socket: %w", err)
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

// handler serves the agent's API.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/state", func(w http.ResponseWriter, _ *http.Request) {
		state, err := s.controller.state()
		reply(w, state, err)
	})
	mux.HandleFunc("PUT /v1/hosts", handle(s.putHosts))
	mux.HandleFunc("PUT /v1/layers", handle(func(_ context.Context, req ShapeRequest) (faults.Applied, error) {
		return s.controller.setLayers(req)
	}))
	mux.HandleFunc("POST /v1/probe", handle(s.postProbe))
	mux.HandleFunc("PUT /v1/forwards", handle(s.putForwards))
	mux.HandleFunc("GET /v1/lease", s.lease)
	mux.HandleFunc("POST /v1/lease", s.lease)
	mux.HandleFunc("POST /v1/stop", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, struct{}{}, nil)
		s.stop(nil)
	})
	return mux
}

// handle serves requests with a JSON body: f gets the decoded body and returns the answer.
func handle[In, Out any](f func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := decode(w, r, &in); err != nil {
			reply(w, nil, err)
			return
		}
		out, err := f(r.Context(), in)
		reply(w, out, err)
	}
}

func (s *Server) putHosts(_ context.Context, hosts []Host) (struct{}, error) {
	err := s.controller.setHosts(hosts)
	if err == nil {
		s.prober.Retain(hosts)
	}
	return struct{}{}, err
}

func (s *Server) postProbe(ctx context.Context, req ProbeRequest) ([]faults.Measurement, error) {
	if err := checkProbe(req); err != nil {
		return nil, newError(http.StatusBadRequest, "probe links: %v", err)
	}
	hosts, err := s.controller.probeHosts(req.Links)
	if err != nil {
		return nil, err
	}
	measured, err := s.prober.Probe(ctx, hosts, req.Links, req.Plan)
	if err != nil {
		return nil, fmt.Errorf("probe links: %w", err)
	}
	return measured, nil
}

func (s *Server) putForwards(_ context.Context, targets []netip.AddrPort) (out []netip.AddrPort, err error) {
	if err := s.controller.checkForwards(targets); err != nil {
		return nil, newError(http.StatusBadRequest, "forward: %v", err)
	}
	out = make([]netip.AddrPort, len(targets))
	for i, t := range targets {
		if out[i], err = s.forwards.forward(t); err != nil {
			return nil, fmt.Errorf("forward to %s: %w", t, err)
		}
	}
	return out, nil
}

// lease answers at once, and then keeps the connection open until the client or the server closes it.
func (s *Server) lease(w http.ResponseWriter, r *http.Request) {
	release := s.controller.acquire()
	defer release()
	w.WriteHeader(http.StatusOK)
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	select {
	case <-r.Context().Done():
	case <-s.stopping:
	}
}

// decode reads a request's body: one JSON value without unknown fields.
func decode(w http.ResponseWriter, r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return newError(http.StatusBadRequest, "decode request: %v", err)
	}
	if dec.More() {
		return newError(http.StatusBadRequest, "decode request: more than one JSON value")
	}
	return nil
}

// reply sends a value as JSON, or an error as text.
func reply(w http.ResponseWriter, value any, err error) {
	if err != nil {
		status := http.StatusInternalServerError
		var e *Error
		if errors.As(err, &e) {
			status = e.Status
		}
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// Only the connection can fail here, and then there is no client to report to.
	_ = json.NewEncoder(w).Encode(value)
}
