package run

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// scripted is a chain whose nodes' lines are what parse makes of them.
type scripted struct {
	chain.Chain
	parse func(node faults.NodeID, line string) (trace.Event, time.Time)
}

func (scripted) Capabilities() chain.Capabilities { return chain.Capabilities{} }

func (s scripted) ParseLog(id faults.NodeID, line []byte) (trace.Event, time.Time, bool) {
	e, at := s.parse(id, string(line))
	e.Node = trace.NodeID(id)
	return e, at, true
}

// stopped is a clock that stands.
type stopped struct {
	runtime.Clock
	now time.Duration
}

func (c *stopped) Now() time.Duration { return c.now }
func (c *stopped) Epoch() time.Time   { return time.Unix(1_700_000_000, 0) }

// recording is a recorder, and the file that it writes.
type recording struct {
	*recorder
	clock  *stopped
	path   string
	events int // that were recorded
}

func newRecording(t *testing.T, parse func(node faults.NodeID, line string) (trace.Event, time.Time)) *recording {
	r := &recording{clock: &stopped{now: time.Second}, path: filepath.Join(t.TempDir(), TraceFile)}
	r.recorder = newRecorder(must.Get(trace.Create(r.path))(t), scripted{parse: parse}, r.clock, hooks{
		event: func(*trace.Event) { r.events++ },
	})
	return r
}

func (r *recording) begin() {
	r.recorder.begin(r.clock.now, trace.Run{
		Format: trace.Format, Nodes: []trace.RunNode{{ID: "a"}, {ID: "b"}}, Chain: trace.Facts{BlockInterval: time.Second},
	})
}

// read ends the trace and returns the gaps in it, by node, and the number of other events of each.
func (r *recording) read(t *testing.T) (gaps map[trace.NodeID]string, events map[trace.NodeID]int) {
	t.Helper()
	r.end(r.clock.now, trace.End{})
	must.Do(t, r.failure())
	must.Do(t, r.out.Close())
	gaps, events = make(map[trace.NodeID]string), make(map[trace.NodeID]int)
	must.Do(t, trace.Read(r.path, func(e *trace.Event) error {
		if e.Kind == trace.KindGap {
			gaps[e.Node] += e.Gap.Reason + "\n"
		} else {
			events[e.Node]++
		}
		return nil
	}))
	return gaps, events
}

// A node that reports without end takes its part of the trace and no more, before run time 0 and after; what others report is
// recorded. As time passes it may report more.
func TestRecorder_NodeBudget(t *testing.T) {
	var r *recording
	r = newRecording(t, func(_ faults.NodeID, line string) (trace.Event, time.Time) {
		return trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: "b", Reason: line}}, r.clock.Epoch().Add(r.clock.now)
	})
	long := []byte(strings.Repeat("x", 2*maxReason))
	const most = budgetBase / (maxReason + eventSize)
	for range most / 2 {
		r.Line("a", r.clock.Epoch().Add(r.clock.now), long)
	}
	if held := len(r.early) * (eventSize + maxReason); held > budgetBase {
		t.Errorf("%d MiB are held before run time 0", held>>20)
	}
	r.begin()
	for range most {
		r.Line("a", r.clock.Epoch().Add(r.clock.now), long)
	}
	r.Line("b", r.clock.Epoch().Add(r.clock.now), []byte("short"))
	if r.events > most+2 {
		t.Errorf("%d events were recorded, want at most %d", r.events, most+2)
	}
	r.clock.now += time.Hour
	if got := r.budget(); got != budgetBase+3600*budgetRate {
		t.Errorf("after an hour it may have reported %d bytes", got)
	}
	gaps, events := r.read(t)
	must.Equal(t, map[trace.NodeID]string{"a": "it reported more than netsplit records of a node (64 MiB by now): what follows is left out\n"}, gaps)
	if events["b"] != 1 || events["a"] > most {
		t.Errorf("events by node: %v", events)
	}
}

// What one node reports must not make the trace of all unreadable.
func TestRecorder_OutOfLimits(t *testing.T) {
	long := strings.Repeat("x", trace.MaxText+1)
	now := time.Unix(1_700_000_001, 0)
	for name, c := range map[string]struct {
		event trace.Event
		at    time.Time
		gap   string
	}{
		"text":          {trace.Event{Kind: trace.KindRefuse, Refuse: &trace.Refuse{Peer: "b", Reason: long}}, now, ""},
		"hash":          {trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: trace.Hash(long)}}, now, "no trace takes (seen event): a name or hash has more than 1024 bytes"},
		"far future":    {trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "x"}}, time.Unix(0, math.MaxInt64), "it printed a head event that is"},
		"far past":      {trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "x"}}, time.Unix(0, math.MinInt64), "it printed a head event that is"},
		"year 10000":    {trace.Event{Kind: trace.KindAnswer, Answer: &trace.Answer{Clock: time.Unix(1<<40, 0)}}, now, "no trace takes (answer event): the year"},
		"an hour ahead": {trace.Event{Kind: trace.KindHead, Head: &trace.Head{Hash: "x"}}, now.Add(time.Hour), ""},
	} {
		for _, before := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				r := newRecording(t, func(faults.NodeID, string) (trace.Event, time.Time) { return c.event, c.at })
				if !before {
					r.begin()
				}
				r.Line("a", now, []byte("line"))
				if before {
					r.begin()
				}
				r.status("a", trace.Status{}, errorOf(long))
				gaps, events := r.read(t)
				if got := gaps["a"]; c.gap == "" && got != "" || !strings.Contains(got, c.gap) {
					t.Errorf("gap %q, want %q", got, c.gap)
				}
				want := 2
				if c.gap != "" {
					want = 1
				}
				must.Equal(t, want, events["a"])
			})
		}
	}
}

type errorOf string

func (e errorOf) Error() string { return string(e) }
