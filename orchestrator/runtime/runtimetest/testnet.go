package runtimetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

const (
	// blockInterval makes blocks come fast.
	blockInterval = 500 * time.Millisecond
	// waitLimit bounds every wait, by the runtime's clock. Streams that were cut recover by TCP's backoff.
	waitLimit = 90 * time.Second
	// pollStep is the interval at which conditions are checked.
	pollStep = 50 * time.Millisecond
	// closeTimeout bounds the clean-up in real time.
	closeTimeout = 2 * time.Minute
)

// testnet is a testnet under test. Its first node mines, and every node connects to every other.
type testnet struct {
	rt    runtime.Runtime
	sink  *sink
	plan  runtime.Plan
	hosts []runtime.Host
}

// plans counts the testnets of this process.
var plans atomic.Int64

// newPlan returns a plan of n nodes with an id of its own.
func newPlan(t *testing.T, n int, sink runtime.Sink) runtime.Plan {
	t.Helper()
	// The paths of t.TempDir are too long for sockets, which a runtime may put there.
	dir := must.Get(os.MkdirTemp("", "rt"))(t)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	plan := runtime.Plan{
		ID:   fmt.Sprintf("rt-%d-%d", os.Getpid(), plans.Add(1)),
		Name: "conformance", Dir: dir, Sink: sink,
	}
	for i := range n {
		role := "full"
		if i == 0 {
			role = "miner"
		}
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: faults.NodeID(fmt.Sprintf("n%d", i+1)), Role: role})
	}
	return plan
}

// create opens a runtime and creates a testnet of n nodes on it, which is closed at the end of t.
func (s suite) create(t *testing.T, n int) *testnet {
	t.Helper()
	net := &testnet{rt: s.open(t), sink: newSink()}
	net.plan = newPlan(t, n, net.sink)
	t.Cleanup(func() { closeNow(t, net.rt) })
	net.hosts = must.Get(net.rt.Create(t.Context(), net.plan))(t)
	return net
}

func closeNow(t *testing.T, rt runtime.Runtime) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), closeTimeout)
	defer cancel()
	if err := rt.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// up creates a testnet and waits until its nodes are connected and have a common chain.
func (s suite) up(t *testing.T, n int) *testnet {
	t.Helper()
	net := s.create(t, n)
	var started []faults.NodeID
	must.Do(t, net.rt.Launch(t.Context(), net.launches(), func(id faults.NodeID) { started = append(started, id) }))
	slices.Sort(started)
	if want := net.ids(); !slices.Equal(started, want) {
		t.Fatalf("progress called for %v, want %v", started, want)
	}
	net.agree(t, 2)
	return net
}

func (n *testnet) ids() []faults.NodeID {
	var ids []faults.NodeID
	for _, p := range n.plan.Nodes {
		ids = append(ids, p.ID)
	}
	return ids
}

// network describes the testnet's nodes: the first mines, and everyone connects to everyone.
func (n *testnet) network() Network {
	return Network{ID: n.plan.ID, Hosts: n.hosts, Start: n.rt.Clock().Epoch(), Interval: blockInterval, Miners: 1}
}

// launches says how to start every node.
func (n *testnet) launches() []runtime.Launch { return n.network().Launches() }

// status is the part of a node's status that the suite reads.
type status struct {
	ID     string `json:"id"`
	Head   string `json:"head"`
	Height uint64 `json:"height"`
	Peers  int    `json:"peers"`
}

// requestTimeout bounds one request in real time: a paused node does not answer.
const requestTimeout = 2 * time.Second

// status queries the status of a node.
func (n *testnet) status(ctx context.Context, id faults.NodeID) (s status, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	i := slices.IndexFunc(n.hosts, func(h runtime.Host) bool { return h.ID == id })
	url := fmt.Sprintf("http://%s:%d/v1/status", n.hosts[i].Addr, runtime.APIPort)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return s, err
	}
	resp, err := (&http.Client{Transport: n.rt.Transport()}).Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return s, err
	}
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s: %s", resp.Status, body)
	}
	return s, json.Unmarshal(body, &s)
}

// mustStatus returns the status of a node that mustStatus answer.
func (n *testnet) mustStatus(t *testing.T, id faults.NodeID) status {
	t.Helper()
	s, err := n.status(t.Context(), id)
	if err != nil {
		t.Fatalf("status of %s: %v", id, err)
	}
	return s
}

// wait waits until cond returns nil.
func (n *testnet) wait(t *testing.T, what string, cond func() error) {
	t.Helper()
	clock := n.rt.Clock()
	deadline := clock.Now() + waitLimit
	for {
		err := cond()
		if err == nil {
			return
		}
		if clock.Now() > deadline {
			t.Fatalf("waited %v for %s: %v", waitLimit, what, err)
		}
		n.sleep(t, pollStep)
	}
}

// sleep lets time pass, by the runtime's clock.
func (n *testnet) sleep(t *testing.T, d time.Duration) {
	t.Helper()
	clock := n.rt.Clock()
	must.Do(t, clock.Sleep(t.Context(), clock.Now()+d))
}

// agree waits until all nodes are connected to each other, at or above a height, and at most one block apart.
func (n *testnet) agree(t *testing.T, height uint64) {
	t.Helper()
	nodes := n.ids()
	n.wait(t, fmt.Sprintf("%v to agree above height %d", nodes, height), func() error {
		var low, high uint64
		for i, id := range nodes {
			s, err := n.status(t.Context(), id)
			if err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			if s.Peers < len(nodes)-1 {
				return fmt.Errorf("%s has %d peers", id, s.Peers)
			}
			if i == 0 || s.Height < low {
				low = s.Height
			}
			high = max(high, s.Height)
		}
		if low < height || high-low > 1 {
			return fmt.Errorf("heights from %d to %d", low, high)
		}
		return nil
	})
}

func (n *testnet) do(t *testing.T, verb faults.Verb, id faults.NodeID) {
	t.Helper()
	if err := n.rt.Do(t.Context(), faults.Action{Verb: verb, Node: id}); err != nil {
		t.Fatalf("%s %s: %v", verb, id, err)
	}
}

// sink is a runtime.Sink that records everything.
type sink struct {
	mu       sync.Mutex
	lines    map[faults.NodeID][]string
	exits    map[faults.NodeID]int // of processes that ended by themselves
	problems []string              // gaps, exits and wrong times of lines
}

func newSink() *sink {
	return &sink{lines: make(map[faults.NodeID][]string), exits: make(map[faults.NodeID]int)}
}

// Line implements runtime.Sink.
func (s *sink) Line(id faults.NodeID, at time.Time, line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[id] = append(s.lines[id], string(line))
	var e node.Event
	if json.Unmarshal(line, &e) != nil || e.Time == 0 {
		return
	}
	// The runtime and the node use the same clock, even if the machine is slow.
	if since := at.Sub(time.Unix(0, int64(e.Time))); since < -time.Second || since > time.Minute {
		s.problems = append(s.problems, fmt.Sprintf("%s: a line was received %v after the event in it", id, since))
	}
}

// Gap implements runtime.Sink.
func (s *sink) Gap(id faults.NodeID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf("%s: gap: %v", id, err))
}

// Exit implements runtime.Sink.
func (s *sink) Exit(id faults.NodeID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exits[id]++
	s.problems = append(s.problems, fmt.Sprintf("%s: exit: %v", id, err))
}

// External implements runtime.Sink.
func (s *sink) External(_ faults.NodeID, err *runtime.ExternalError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, err.Error())
}

// printed returns the lines of a node so far.
func (s *sink) printed(id faults.NodeID) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines[id])
}

// events returns the events of a kind among the lines of a node.
func (s *sink) events(id faults.NodeID, kind node.EventKind) []node.Event {
	var out []node.Event
	for _, line := range s.printed(id) {
		var e node.Event
		if json.Unmarshal([]byte(line), &e) == nil && e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// exited returns how often a node ended by itself.
func (s *sink) exited(id faults.NodeID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exits[id]
}

// check fails the test if there were problems.
func (s *sink) check(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.problems {
		t.Error(p)
	}
}
