package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/netsplit/netsplit/node"
)

// Backend hosts one node.
type Backend interface {
	// Do runs fn in the goroutine that owns the node, with the node's time, performs the effects that fn returns, and
	// returns when both are done. After an error other than ctx's the node is unreachable, and fn may not have run; fn
	// never runs after Do has returned.
	Do(ctx context.Context, fn func(n *node.Node, now node.Time) []node.Effect) error
}

// Limits of requests and answers.
const (
	maxBody    = 64 << 10 // bytes of a request's body
	maxMempool = 1000     // transactions listed by /v1/mempool
	// healthTimeout is the time within which a healthy node answers.
	healthTimeout = 2 * time.Second
)

// Handler serves the API of the node that b hosts. It is safe for concurrent use.
func Handler(b Backend) http.Handler {
	s := &server{backend: b, mux: http.NewServeMux()}
	s.get("/v1/status", s.status)
	s.get("/v1/head", s.head)
	s.get("/v1/blocks/{block}", s.block)
	s.handle("/v1/transactions", http.MethodPost, s.submit)
	s.get("/v1/transactions/{id}", s.transaction)
	s.get("/v1/accounts/{address}", s.account)
	s.get("/v1/mempool", s.mempool)
	s.get("/v1/peers", s.peers)
	s.mux.Handle("/metrics", getOnly(newMetrics(b)))
	s.mux.Handle("/healthz", getOnly(http.HandlerFunc(s.health)))
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, errors.New("no such resource"))
	})
	return s.mux
}

type server struct {
	backend Backend
	mux     *http.ServeMux
}

// statusError is an error with its HTTP status.
type statusError struct {
	status int
	err    error
}

func (p *statusError) Error() string { return p.err.Error() }

func (p *statusError) Unwrap() error { return p.err }

func notFound(format string, args ...any) error {
	return &statusError{http.StatusNotFound, fmt.Errorf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &statusError{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

// endpoint answers a request with a value that is sent as JSON. The error is a *statusError if it is the client's.
type endpoint func(r *http.Request) (status int, answer any, err error)

func (s *server) get(pattern string, fn func(r *http.Request) (any, error)) {
	s.handle(pattern, http.MethodGet, func(r *http.Request) (int, any, error) {
		answer, err := fn(r)
		return http.StatusOK, answer, err
	})
}

func (s *server) handle(pattern, method string, fn endpoint) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if !allowed(w, r, method) {
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		status, answer, err := fn(r)
		var p *statusError
		switch {
		case err == nil:
			writeJSON(w, status, answer)
		case errors.As(err, &p):
			writeError(w, p.status, p.err)
		default:
			writeError(w, http.StatusServiceUnavailable, err)
		}
	})
}

// query runs fn in the goroutine that owns the node; fn must copy what it retains.
func (s *server) query(ctx context.Context, fn func(n *node.Node)) error {
	return s.backend.Do(ctx, func(n *node.Node, _ node.Time) []node.Effect {
		fn(n)
		return nil
	})
}

// health answers "ok" if the node itself answers, not only this handler.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := s.query(ctx, func(*node.Node) {}); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "%v\n", err)
		return
	}
	fmt.Fprintln(w, "ok")
}

func getOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if allowed(w, r, http.MethodGet) {
			next.ServeHTTP(w, r)
		}
	})
}

// allowed refuses other methods than method; GET includes HEAD.
func allowed(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method || method == http.MethodGet && r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", method)
	writeError(w, http.StatusMethodNotAllowed, fmt.Errorf("method %s is not allowed, use %s", r.Method, method))
	return false
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // an error means that the client has disconnected
}
