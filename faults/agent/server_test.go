package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
)

// fakeEngine records the state that it is to apply.
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

func (e *fakeEngine) SetHosts([]Host) error { return nil }

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

// affected counts the links that are cut and shaped.
func (e *fakeEngine) affected() (cut, shaped int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.now.Cut), len(e.now.Shape)
}

// fakeProber answers every probe alike.
type fakeProber struct {
	hosts    []Host
	retained []Host
	err      error
}

func (p *fakeProber) Probe(_ context.Context, hosts []Host, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	p.hosts = hosts
	var out []faults.Measurement
	for _, l := range links {
		out = append(out, faults.Measurement{Link: l, Sent: plan.Count})
	}
	return out, p.err
}
func (p *fakeProber) Retain(hosts []Host) { p.retained = hosts }
func (p *fakeProber) Close() error        { return nil }

// fakeAgent is a server with a fake engine, and its client.
type fakeAgent struct {
	*Client
	controller *controller
	engine     *fakeEngine
	prober     *fakeProber
	server     *Server
}

func newFakeAgent(t *testing.T, requireLease bool) *fakeAgent {
	t.Helper()
	r := &fakeAgent{engine: &fakeEngine{}, prober: &fakeProber{}, server: &Server{stopping: make(chan struct{})}}
	r.controller = &controller{testnet: "t", engine: r.engine, requireLease: requireLease, failed: r.server.stop}
	r.server.controller, r.server.prober = r.controller, r.prober
	dir := must.Get(os.MkdirTemp("", "ns"))(t)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	ln := must.Get(net.Listen("unix", socket))(t)
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
		if err := r.controller.close(); err != nil {
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

func TestClient(t *testing.T) {
	r := newFakeAgent(t, false)
	must.Do(t, r.SetHosts(t.Context(), threeHosts()))
	if len(r.prober.retained) != 3 {
		t.Error("the prober did not get the hosts")
	}
	cut, slow := cutLayer("cut"), cutLayer("slow")
	cut.Kind, cut.Text, cut.Since = "partition", "cut a from b", time.Unix(1, 0).UTC()
	slow.Links.Rules = []faults.Rule{{From: []faults.NodeID{"b", "c"}, To: []faults.NodeID{"c", "b"}, Shape: faults.Shape{Delay: time.Second}}}
	applied, err := r.Shape(t.Context(), []faults.Layer{cut, slow})
	if err != nil || applied.Engine != "fake" || applied.Took < 0 {
		t.Errorf("applied %+v, %v", applied, err)
	}
	if c, s := r.engine.affected(); c != 1 || s != 2 {
		t.Errorf("%d links cut and %d delayed, want 1 and 2", c, s)
	}
	got := must.Get(r.State(t.Context()))(t)
	want := State{Testnet: "t", Version: 1, Engine: "fake", Hosts: threeHosts(), Layers: []faults.Layer{cut, slow},
		Traffic: faults.Traffic{Dropped: 1, Delayed: 2}}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	links := []faults.Link{{From: "a", To: "b"}, {From: "c", To: "a"}}
	m, err := r.Probe(t.Context(), links, faults.ProbePlan{Count: 3})
	if err != nil || len(m) != 2 || m[1].Link != links[1] || m[1].Sent != 3 || len(r.prober.hosts) != 3 {
		t.Errorf("probe: %+v, %v", m, err)
	}
	if _, err := r.ShapeIf(t.Context(), ShapeRequest{IfVersion: 7}); status(err) != http.StatusConflict {
		t.Errorf("shape of an old version: %v", err)
	}
	if _, err := r.ShapeIf(t.Context(), ShapeRequest{IfVersion: 1}); err != nil {
		t.Errorf("shape of this version: %v", err)
	}
	if c, s := r.engine.affected(); c+s != 0 {
		t.Error("an empty list of layers did not heal")
	}
	must.Do(t, r.Stop(t.Context()))
	<-r.server.stopping
}

func TestClient_ServerErrors(t *testing.T) {
	r := newFakeAgent(t, false)
	r.prober.err = errors.New("no socket")
	if _, err := r.Probe(t.Context(), nil, faults.ProbePlan{Count: 1}); status(err) != 500 || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("probe: %v", err)
	}
	r.engine.count = errors.New("no counter")
	if _, err := r.State(t.Context()); status(err) != 500 || !strings.Contains(err.Error(), "no counter") {
		t.Errorf("state: %v", err)
	}
	if err := Dial("/no/such/socket").Stop(t.Context()); err == nil || !strings.Contains(err.Error(), "/v1/stop") {
		t.Errorf("no agent: %v", err)
	}
}

func TestClient_Lease(t *testing.T) {
	r := newFakeAgent(t, true)
	must.Do(t, r.SetHosts(t.Context(), threeHosts()))
	layers := []faults.Layer{cutLayer("x")}
	if _, err := r.Shape(t.Context(), layers); status(err) != http.StatusPreconditionFailed {
		t.Errorf("shape without a lease: %v", err)
	}
	if _, err := r.Shape(t.Context(), nil); err != nil {
		t.Errorf("heal without a lease: %v", err)
	}
	release := r.controller.acquire()
	lease := must.Get(r.AcquireLease(t.Context()))(t)
	must.Get(r.Shape(t.Context(), layers))(t)
	release()
	if cut, _ := r.engine.affected(); cut != 1 {
		t.Error("the fault healed although a lease is held")
	}
	lease.Release()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		if cut, _ := r.engine.affected(); cut == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the fault outlived the last lease")
		}
	}
	// The server's end ends a lease.
	held := must.Get(r.AcquireLease(t.Context()))(t)
	r.server.stop(nil)
	<-held.Done()
}

func TestServer_InvalidRequests(t *testing.T) {
	r := newFakeAgent(t, false)
	must.Do(t, r.SetHosts(t.Context(), threeHosts()))
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		method, path, body, want string
	}{
		{"PUT", "/v1/hosts", `{`, "decode request"},
		{"PUT", "/v1/hosts", `[] []`, "more than one"},
		{"PUT", "/v1/hosts", `[{"node":"a","addr":"10.0.0.1","pid":3}]`, "unknown field"},
		{"PUT", "/v1/hosts", `[{"node":"","addr":"10.0.0.1"}]`, "host 1: the node's name"},
		{"PUT", "/v1/hosts", `[{"node":"a","addr":"10.0.0.1"},{"node":"a","addr":"10.0.0.2"}]`, "named twice"},
		{"PUT", "/v1/hosts", `[{"node":"a","addr":"10.0.0.1"},{"node":"b","addr":"10.0.0.1"}]`, `already node "a"'s`},
		{"PUT", "/v1/hosts", `[{"node":"a","addr":"fd00::1"}]`, "not IPv4"},
		{"PUT", "/v1/hosts", `[{"node":"a","addr":""}]`, "not IPv4"},
		{"PUT", "/v1/hosts", `[{"node":"a","addr":"224.0.0.1"}]`, "not the address of one host"},
		{"PUT", "/v1/hosts", `[{"node":"a","addr":"10.0.0.1","netns":"x/y"}]`, "not an absolute path"},
		{"PUT", "/v1/layers", `{"layers":[{"id":""}]}`, "layer 1: the ID"},
		{"PUT", "/v1/layers", `{"layers":[{"id":"x"},{"id":"x"}]}`, "used twice"},
		{"PUT", "/v1/layers", `{"layers":[{"id":"x","text":"` + long + `"}]}`, "kind and text"},
		{"PUT", "/v1/layers", `{"layers":[{"id":"x","links":{"rules":[{"from":["a"],"to":["b"],"shape":{"delay":-1}}]}}]}`, "rule 1: delay"},
		{"PUT", "/v1/layers", `{"layers":[{"id":"x","links":{"rules":[{"from":["a"],"to":["b"],"shape":{"jitter":60000000001}}]}}]}`, "rule 1: delay"},
		{"PUT", "/v1/layers", `{"layers":[{"id":"x","links":{"rules":[{"from":["a"],"to":["z"],"cut":true}]}}]}`, `no node "z"`},
		{"PUT", "/v1/layers", `{"layers":[{"id":"x","links":{"rules":[{"from":["a"],"too":["z"]}]}}]}`, "unknown field"},
		{"POST", "/v1/probe", `{"links":[{"from":"a","to":"z"}],"plan":{"count":1}}`, `no node "z"`},
		{"POST", "/v1/probe", `{"links":[{"from":"a","to":"a"}],"plan":{"count":1}}`, "to itself"},
		{"POST", "/v1/probe", `{"links":[],"plan":{"count":0}}`, "0 packets on each"},
		{"POST", "/v1/probe", `{"links":[{"from":"a","to":"b"}],"plan":{"count":3000000}}`, "3000000 packets on each"},
		{"POST", "/v1/probe", `{"links":[],"plan":{"count":1,"interval":-1}}`, "interval"},
		{"POST", "/v1/probe", `{"links":[],"plan":{"count":1,"wait":60000000001}}`, "wait"},
	} {
		before := r.controller.version
		_, err := r.do(t.Context(), c.method, c.path, strings.NewReader(c.body))
		if status(err) != http.StatusBadRequest || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.100s: %v, want status 400 and %q", c.path, c.body, err, c.want)
		}
		if len(r.controller.hosts) != 3 || r.controller.version != before {
			t.Errorf("%s %.100s changed the state", c.path, c.body)
		}
	}
	if _, err := r.do(t.Context(), "DELETE", "/v1/layers", nil); status(err) != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %v", err)
	}
}

func TestServer_Limits(t *testing.T) {
	if err := checkHosts(make([]Host, maxHosts+1)); err == nil {
		t.Error("too many hosts")
	}
	if err := checkLayers(make([]faults.Layer, maxLayers+1)); err == nil {
		t.Error("too many layers")
	}
	l := faults.Layer{ID: "x", Links: faults.Links{Rules: make([]faults.Rule, maxRules+1)}}
	if err := checkLayers([]faults.Layer{l}); err == nil {
		t.Error("too many rules")
	}
	if err := checkProbe(ProbeRequest{Links: make([]faults.Link, maxLinks+1), Plan: faults.ProbePlan{Count: 1}}); err == nil {
		t.Error("too many links")
	}
}
