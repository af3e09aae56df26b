package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
)

// fakeEngine records what it is asked to make true.
type fakeEngine struct {
	mu     sync.Mutex
	now    shape.Desired
	calls  int
	err    error // of Apply
	count  error // of Traffic
	closed bool
	failed chan struct{} // may be nil
}

func (e *fakeEngine) Failed() <-chan struct{} { return e.failed }
func (e *fakeEngine) Cause() error            { return errors.New("the queue is gone") }

func (e *fakeEngine) Name() string { return "fake" }

func (e *fakeEngine) Apply(d shape.Desired) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if e.err == nil {
		e.now = d
	}
	return e.err
}

func (e *fakeEngine) Traffic() (faults.Traffic, error) {
	return faults.Traffic{Dropped: 1, Delayed: 2}, e.count
}

func (e *fakeEngine) Close() error {
	e.closed = true
	return nil
}

// touched counts the links that the engine holds cut and shaped.
func (e *fakeEngine) touched() (cut, shaped int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.now.Cut), len(e.now.Shape)
}

// fakeProber answers every probe alike.
type fakeProber struct {
	hosts []Host
	kept  []Host
	err   error
}

func (p *fakeProber) Probe(_ context.Context, hosts []Host, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	p.hosts = hosts
	var out []faults.Measurement
	for _, l := range links {
		out = append(out, faults.Measurement{Link: l, Sent: plan.Count})
	}
	return out, p.err
}
func (p *fakeProber) Keep(hosts []Host) { p.kept = hosts }
func (p *fakeProber) Close() error      { return nil }

// rig is a server without a kernel, and its client.
type rig struct {
	*Client
	core   *core
	engine *fakeEngine
	prober *fakeProber
	server *Server
}

func newRig(t *testing.T, strict bool) *rig {
	t.Helper()
	r := &rig{engine: &fakeEngine{}, prober: &fakeProber{}, server: &Server{stopping: make(chan struct{})}}
	r.core = &core{testnet: "t", engine: r.engine, strict: strict, broken: r.server.stop}
	r.server.core, r.server.prober = r.core, r.prober
	dir, err := os.MkdirTemp("", "ns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: r.server.handler()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	r.Client = Dial(socket)
	t.Cleanup(func() {
		r.Close()
		srv.Close()
		<-done
		r.server.forwards.close()
		if err := r.core.close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// threeHosts are the nodes a, b and c.
func threeHosts() []Host {
	var out []Host
	for i, n := range []faults.NodeID{"a", "b", "c"} {
		out = append(out, Host{Node: n, Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})})
	}
	return out
}

// cutLayer cuts a from b.
func cutLayer(id string) faults.Layer {
	return faults.Layer{ID: id, Links: faults.Links{Rules: []faults.Rule{{From: []faults.NodeID{"a"}, To: []faults.NodeID{"b"}, Cut: true}}}}
}
