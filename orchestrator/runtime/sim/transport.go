package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"syscall"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/daemon/api"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// Transport implements runtime.Runtime. Requests are answered by the node's own HTTP handler at the current time and
// take no virtual time. Connections to a node that is down are refused; those to a paused node time out at once.
func (r *Runtime) Transport() http.RoundTripper { return transport{r} }

type transport struct{ r *Runtime }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	handler, err := t.r.handler(req.URL.Host)
	if err != nil {
		return nil, err
	}
	inner := req.Clone(req.Context())
	inner.RequestURI = req.URL.RequestURI()
	if inner.Body == nil {
		inner.Body = http.NoBody // like a server does
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, inner)
	resp := w.Result()
	resp.ContentLength, resp.Request = int64(w.Body.Len()), req
	return resp, nil
}

// handler returns the API of the node at host:port.
func (r *Runtime) handler(hostport string) (http.Handler, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	addr, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("simulated network: address %q: %w", hostport, err)
	}
	h := r.w.hostAt(addr.Addr())
	if h == nil {
		return nil, dialError(addr, syscall.EHOSTUNREACH)
	}
	if err := h.reachable(); err != nil {
		return nil, dialError(addr, err)
	}
	if addr.Port() != runtime.APIPort || h.node == nil {
		return nil, dialError(addr, syscall.ECONNREFUSED)
	}
	if h.handler == nil {
		h.handler = api.Handler(backend{r: r, h: h, life: h.life})
	}
	return h.handler, nil
}

// hostAt returns the host with an address, nil if there is none: the inverse of hostAddr.
func (w *world) hostAt(addr netip.Addr) *host {
	if !addr.Is4() {
		return nil
	}
	b := addr.As4()
	i := (int(b[1])<<8+int(b[2]))*254 + int(b[3]) - 1
	if i < 0 || i >= len(w.hosts) || w.hosts[i].addr != addr {
		return nil
	}
	return w.hosts[i]
}

// reachable returns the reason why a process does not answer, or nil.
func (h *host) reachable() error {
	switch h.state {
	case running:
		return nil
	case paused:
		return os.ErrDeadlineExceeded
	}
	return syscall.ECONNREFUSED
}

func dialError(addr netip.AddrPort, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(addr), Err: err}
}

// backend connects a node's HTTP API with its state machine.
type backend struct {
	r    *Runtime
	h    *host
	life uint32
}

// errGone is the error of a request whose node has ended.
var errGone = errors.New("node is not running")

// Do implements api.Backend.
func (b backend) Do(ctx context.Context, fn func(n *node.Node, now node.Time) []node.Effect) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	if b.h.life != b.life || b.h.state != running {
		return errGone
	}
	w := b.r.w
	w.guard(func() {
		w.feed(b.h, func(_ Machine, now node.Time) []node.Effect { return fn(b.h.node, now) })
	})
	if b.h.life != b.life {
		return errGone
	}
	return nil
}
