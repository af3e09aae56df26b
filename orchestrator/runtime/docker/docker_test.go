package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// needDocker skips a test where no engine answers, unless NETSPLIT_REQUIRE asks for one.
func needDocker(t testing.TB) {
	t.Helper()
	_, err := Available(t.Context())
	if err == nil {
		return
	}
	if strings.Contains(os.Getenv("NETSPLIT_REQUIRE"), "docker") {
		t.Fatal(err)
	}
	t.Skip(err)
}

// record is a Sink that keeps all.
type record struct {
	mu     sync.Mutex
	lines  map[faults.NodeID][]string
	exits  map[faults.NodeID][]string
	gaps   []error
	change chan struct{}
}

func newRecord() *record {
	return &record{
		lines: map[faults.NodeID][]string{}, exits: map[faults.NodeID][]string{}, change: make(chan struct{}),
	}
}

func (r *record) note(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
	close(r.change)
	r.change = make(chan struct{})
}

func (r *record) Line(n faults.NodeID, _ time.Time, b []byte) {
	r.note(func() { r.lines[n] = append(r.lines[n], string(b)) })
}

func (r *record) Gap(_ faults.NodeID, err error) { r.note(func() { r.gaps = append(r.gaps, err) }) }

func (r *record) Exit(n faults.NodeID, err error) {
	r.note(func() {
		r.exits[n] = append(r.exits[n], fmt.Sprintf("%v after %d lines", err, len(r.lines[n])))
	})
}

// until waits for a condition on what was recorded.
func (r *record) until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		r.mu.Lock()
		ok, change := cond(), r.change
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-change:
		case <-ctx.Done():
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("%s: never happened; exits %v, gaps %v, lines %v", what, r.exits, r.gaps, r.lines)
		}
	}
}

// testnet makes and launches a testnet of n nodes of the test program.
func testnet(t testing.TB, n int, sink runtime.Sink, opts Options) (*Runtime, []runtime.Host) {
	t.Helper()
	r, hosts := created(t, n, sink, opts)
	if err := r.Launch(t.Context(), launches(hosts), nil); err != nil {
		t.Fatal(err)
	}
	return r, hosts
}

func created(t testing.TB, n int, sink runtime.Sink, opts Options) (*Runtime, []runtime.Host) {
	t.Helper()
	needDocker(t)
	r, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	hosts, err := r.Create(t.Context(), testPlan(t, n, sink))
	if err != nil {
		t.Fatal(err)
	}
	return r, hosts
}

func testPlan(t testing.TB, n int, sink runtime.Sink) runtime.Plan {
	plan := runtime.Plan{
		ID:   fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano()%1e9),
		Name: "test", Dir: t.TempDir(), Sink: sink,
	}
	for i := range n {
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: faults.NodeID(fmt.Sprintf("n-%d", i+1)), Role: "n"})
	}
	return plan
}

func launches(hosts []runtime.Host) []runtime.Launch {
	out := make([]runtime.Launch, len(hosts))
	for i, h := range hosts {
		out[i] = runtime.Launch{ID: h.ID, Args: []string{"node"}, Files: map[string][]byte{
			"/etc/netsplit/node.json": []byte(h.ID), "/srv/deep/down/file": []byte("deep"),
		}}
	}
	return out
}

// get asks a node over HTTP, until it listens.
func get(t *testing.T, r *Runtime, h runtime.Host, path string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := http.Client{Transport: r.Transport()}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", h.Addr, runtime.APIPort, path), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			if strings.Contains(err.Error(), "refused") && ctx.Err() == nil {
				continue // it does not listen yet
			}
			return "", err
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil && res.StatusCode != http.StatusOK {
			err = errors.New(res.Status + ": " + string(b))
		}
		return string(b), err
	}
}

func mustGet(t *testing.T, r *Runtime, h runtime.Host, path string) string {
	t.Helper()
	s, err := get(t, r, h, path)
	if err != nil {
		t.Fatalf("%s of %s: %v", path, h.ID, err)
	}
	return s
}

func do(t *testing.T, r *Runtime, v faults.Verb, id faults.NodeID) {
	t.Helper()
	if err := r.Do(t.Context(), faults.Action{Verb: v, Node: id}); err != nil {
		t.Fatal(err)
	}
}

func TestNodesReachEachOtherAndTheHostButNoMore(t *testing.T) {
	r, hosts := testnet(t, 3, nil, Options{})
	if got := mustGet(t, r, hosts[0], "/healthz"); got != "ok" {
		t.Errorf("healthz = %q", got)
	}
	if got := mustGet(t, r, hosts[1], "/file?path=/etc/netsplit/node.json"); got != "n-2" {
		t.Errorf("file = %q", got)
	}
	if got := mustGet(t, r, hosts[1], "/file?path=/srv/deep/down/file"); got != "deep" {
		t.Errorf("file = %q", got)
	}
	mustGet(t, r, hosts[2], "/healthz")
	mustGet(t, r, hosts[0], fmt.Sprintf("/dial?addr=%s:8080", hosts[2].Addr))
	if _, err := get(t, r, hosts[0], "/dial?addr=192.0.2.1:80"); err == nil {
		t.Error("a node reached beyond the testnet")
	}
	if want := offset(hosts[0].Addr, 2); hosts[2].Addr != want {
		t.Errorf("third node at %v, want %v", hosts[2].Addr, want)
	}
}

func TestLinesComeOnceOverRestarts(t *testing.T) {
	rec := newRecord()
	r, hosts := testnet(t, 2, rec, Options{})
	id := hosts[0].ID
	total := 10
	for _, verbs := range [][]faults.Verb{{faults.Kill, faults.Start}, {faults.Restart}, {faults.Stop, faults.Start}} {
		mustGet(t, r, hosts[0], "/print?n=500")
		total += 500
		for _, v := range verbs {
			do(t, r, v, id)
		}
		total += 10
		mustGet(t, r, hosts[0], "/healthz")
	}
	mustGet(t, r, hosts[0], "/long?n=100000")
	rec.until(t, "the long line", func() bool { return len(rec.lines[id]) == total+3 })
	var next, byes int
	for _, l := range rec.lines[id] {
		switch {
		case l == fmt.Sprint("line ", next):
			next++
		case l == "bye":
			byes++
		case l == strings.Repeat("x", 100000):
		default:
			t.Fatalf("got %q, want line %d", l, next)
		}
	}
	if next != total || byes != 2 {
		t.Errorf("%d lines and %d byes, want %d and 2", next, byes, total)
	}
	if len(rec.exits[id]) > 0 || len(rec.gaps) > 0 {
		t.Errorf("exits %v, gaps %v", rec.exits, rec.gaps)
	}
	tail, err := r.Logs(t.Context(), id, 2)
	if err != nil || len(tail) != 2 || len(tail[1]) != 100000 {
		t.Errorf("Logs = %.40q, %v", tail, err)
	}
}

func TestExitIsReportedAfterTheLastLine(t *testing.T) {
	rec := newRecord()
	r, hosts := testnet(t, 2, rec, Options{})
	id := hosts[1].ID
	if _, err := get(t, r, hosts[1], "/exit"); err == nil {
		t.Fatal("the node did not exit")
	}
	rec.until(t, "the exit", func() bool { return len(rec.exits[id]) == 1 })
	if got, want := rec.exits[id][0], "exited with status 3 after 15 lines"; got != want {
		t.Errorf("exit %q, want %q", got, want)
	}
	err := r.Do(t.Context(), faults.Action{Verb: faults.Kill, Node: id})
	if !errors.Is(err, runtime.ErrState) {
		t.Errorf("killing the dead: %v", err)
	}
	do(t, r, faults.Start, id)
	mustGet(t, r, hosts[1], "/healthz")
	rec.until(t, "lines after the exit", func() bool { return len(rec.lines[id]) == 25 })
}

func TestWrongStates(t *testing.T) {
	r, hosts := created(t, 2, nil, Options{})
	id := hosts[0].ID
	bad := func(verbs ...faults.Verb) {
		t.Helper()
		for _, v := range verbs {
			if err := r.Do(t.Context(), faults.Action{Verb: v, Node: id}); !errors.Is(err, runtime.ErrState) {
				t.Errorf("%s: %v, want ErrState", v, err)
			}
		}
	}
	bad(faults.Start, faults.Kill)
	if err := r.Launch(t.Context(), launches(hosts), nil); err != nil {
		t.Fatal(err)
	}
	bad(faults.Start, faults.Resume)
	do(t, r, faults.Pause, id)
	bad(faults.Pause, faults.Start, faults.Stop, faults.Restart)
	do(t, r, faults.Resume, id)
	do(t, r, faults.Pause, id)
	do(t, r, faults.Kill, id)
	bad(faults.Kill, faults.Stop, faults.Pause, faults.Resume, faults.Restart)
	do(t, r, faults.Start, id)
	mustGet(t, r, hosts[0], "/healthz")
	if err := r.Do(t.Context(), faults.Action{Verb: "melt", Node: id}); err == nil {
		t.Error("an unknown verb passed")
	}
	if err := r.Do(t.Context(), faults.Action{Verb: faults.Kill, Node: "nobody"}); err == nil {
		t.Error("an unknown node passed")
	}
	var ne *runtime.NodeError
	if err := r.Launch(t.Context(), launches(hosts)[:1], nil); !errors.As(err, &ne) || !errors.Is(err, runtime.ErrState) {
		t.Errorf("launching twice: %v", err)
	}
}

func TestProbesFindNodesAgainAfterARestart(t *testing.T) {
	r, hosts := testnet(t, 3, nil, Options{Lease: true})
	probe := func(want ...int) {
		t.Helper()
		links := []faults.Link{{From: hosts[0].ID, To: hosts[1].ID}, {From: hosts[1].ID, To: hosts[2].ID}}
		m, err := r.Probe(t.Context(), links, faults.ProbePlan{Count: 3, Interval: 5 * time.Millisecond, Wait: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range want {
			if m[i].Received != n {
				t.Errorf("link %v: received %d, want %d", m[i].Link, m[i].Received, n)
			}
		}
	}
	probe(3, 3)
	do(t, r, faults.Kill, hosts[0].ID)
	probe(0, 3)
	do(t, r, faults.Start, hosts[0].ID)
	probe(3, 3)
	if _, err := r.Shape(t.Context(), []faults.Layer{{ID: "p", Links: faults.Links{Rules: []faults.Rule{
		{From: []faults.NodeID{hosts[1].ID}, To: []faults.NodeID{hosts[2].ID}, Cut: true},
	}}}}); err != nil {
		t.Fatal(err)
	}
	probe(3, 0)
	mustGet(t, r, hosts[2], "/healthz") // control traffic passes through no fault
	if traffic, err := r.Traffic(t.Context()); err != nil || traffic.Lost != 0 {
		t.Errorf("Traffic = %+v, %v", traffic, err)
	}
	if got := r.Info(t.Context()).Text; !strings.Contains(got, ", nft") {
		t.Errorf("Info = %q", got)
	}
	if err := r.cli.ContainerKill(t.Context(), r.agent.container, "KILL"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Shape(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "agent is dead") {
		t.Errorf("shaping without an agent: %v", err)
	}
}

func TestAttachListRemove(t *testing.T) {
	r, hosts := testnet(t, 2, nil, Options{})
	id := r.plan.ID
	if err := r.Detach(); err != nil {
		t.Fatal(err)
	}
	if err := r.Launch(t.Context(), nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("launch after detach: %v", err)
	}
	a, err := Attach(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	do(t, a, faults.Pause, hosts[0].ID)
	if _, err := a.Shape(t.Context(), []faults.Layer{{ID: "x"}}); err != nil {
		t.Error(err)
	}
	mustGet(t, a, hosts[1], "/healthz")
	nodes, err := a.Hosts(t.Context())
	if err != nil || len(nodes) != 2 || nodes[0].State != "paused" || nodes[0].Addr != hosts[0].Addr || nodes[1].Role != "n" {
		t.Errorf("Hosts = %v, %v", nodes, err)
	}
	if err := a.Detach(); err != nil {
		t.Fatal(err)
	}
	found := ours(t, id)
	if found == nil || found.Agent != "running" || found.Scenario != "test" || found.Dir != r.plan.Dir || time.Since(found.Created) > time.Minute {
		t.Errorf("List: %+v", found)
	}
	if err := Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if ours(t, id) != nil {
		t.Error("still listed")
	}
	if _, err := os.Stat(r.agent.dir); !os.IsNotExist(err) {
		t.Errorf("socket directory: %v", err)
	}
	if err := Remove(t.Context(), id); !errors.Is(err, ErrNotFound) {
		t.Errorf("removing nothing: %v", err)
	}
}

func ours(t *testing.T, id string) *Testnet {
	t.Helper()
	all, err := List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if n.ID == id {
			return &n
		}
	}
	return nil
}

func TestCloseDuringLaunch(t *testing.T) {
	r, hosts := created(t, 12, nil, Options{})
	first := make(chan struct{}, len(hosts))
	launched := make(chan error, 1)
	go func() {
		launched <- r.Launch(t.Context(), launches(hosts), func(faults.NodeID) { first <- struct{}{} })
	}()
	select {
	case <-first:
	case err := <-launched:
		t.Fatalf("launch ended before its first node: %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	<-launched // it may have been done already
	if left := ours(t, r.plan.ID); left != nil {
		t.Errorf("left: %+v", left)
	}
	if _, err := r.Create(t.Context(), runtime.Plan{}); !errors.Is(err, ErrClosed) {
		t.Errorf("create after close: %v", err)
	}
}

func TestCancelledCreateLeavesNothing(t *testing.T) {
	needDocker(t)
	r, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	plan := testPlan(t, 3, nil)
	if _, err := r.Create(ctx, plan); err == nil {
		t.Error("a cancelled create succeeded")
	}
	if err := r.Close(ctx); err != nil {
		t.Error(err)
	}
	if left := ours(t, plan.ID); left != nil {
		t.Errorf("left: %+v", left)
	}
}

func TestTwoTestnetsAtOnce(t *testing.T) {
	needDocker(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			r, err := New(t.Context(), Options{})
			if err != nil {
				t.Error(err)
				return
			}
			plan := testPlan(t, 2, nil)
			_, err = r.Create(t.Context(), plan)
			if err := errors.Join(err, r.Close(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestLaunchFailureNamesTheNode(t *testing.T) {
	r, hosts := created(t, 2, nil, Options{})
	ls := launches(hosts)
	ls[1].Files["relative"] = nil
	var ne *runtime.NodeError
	if err := r.Launch(t.Context(), ls, nil); !errors.As(err, &ne) || ne.Node != hosts[1].ID {
		t.Errorf("got %v", err)
	}
}

func TestGivenImageMustBeHere(t *testing.T) {
	needDocker(t)
	r, err := New(t.Context(), Options{Image: "netsplit/nowhere:none"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Create(t.Context(), testPlan(t, 1, nil))
	if err == nil || !strings.Contains(err.Error(), "not on this machine") {
		t.Errorf("got %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
