package fake

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

// errExit is the error of scripted deaths.
var errExit = errors.New("exit status 1")

// ErrGap is the reason of scripted gaps.
var ErrGap = errors.New("scripted loss of a line")

// Script says what goes wrong. The zero value is a runtime without failures. Hooks are called before the simulator is,
// from the goroutine of the call, and must not call the runtime.
type Script struct {
	// CreateErr, if not nil, is what Create returns.
	CreateErr error
	// LaunchErr makes the start of a node fail, at its launch and at every later start, with a *runtime.NodeError.
	LaunchErr map[faults.NodeID]error
	// Tail is what those nodes printed before they failed.
	Tail []string
	// DieAt makes a node exit by itself at a moment of the runtime's clock, if it runs then.
	DieAt map[faults.NodeID]time.Duration
	// ExternalAt lets somebody else act on a node at a moment of the runtime's clock: pause, kill or remove it.
	ExternalAt map[time.Duration]runtime.ExternalError
	// GapAfter loses the line of a node that comes after so many, and reports the gap to the Sink.
	GapAfter map[faults.NodeID]int
	// Do, if not nil, may fail an action.
	Do func(faults.Action) error
	// Shape, if not nil, may fail a change of the links; then nothing changes.
	Shape func(layers []faults.Layer) error
	// ShapeLies makes Shape report success and do nothing.
	ShapeLies bool
	// ProbeErr and TrafficErr, if not nil, are what Probe and Traffic return.
	ProbeErr   error
	TrafficErr error
	// LogsErr, if not nil, is what Logs returns.
	LogsErr error
}

// Call is a call of the runtime.
type Call struct {
	At time.Duration // by the runtime's clock
	Op string        // "create", "launch", "kill", "shape", "probe", "close" ...
	// Node is the node concerned, empty where it is not one.
	Node faults.NodeID
	// Count is the number of nodes (create), layers (shape) or links (probe).
	Count int
}

// Runtime is a scripted runtime around a simulated one, with the same capabilities.
type Runtime struct {
	*sim.Runtime

	mu     sync.Mutex
	script Script
	calls  []Call
}

var (
	_ runtime.Runtime    = (*Runtime)(nil)
	_ runtime.LinkShaper = (*Runtime)(nil)
)

// New returns a runtime that hosts nodes as a simulated network with opts does, and fails as the script says. The
// calling goroutine is the first task of its Clock.
func New(opts sim.Options, script Script) *Runtime {
	return &Runtime{Runtime: sim.New(opts), script: script}
}

// Rewrite changes the script, for the calls that follow.
func (r *Runtime) Rewrite(fn func(s *Script)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn(&r.script)
}

// Calls returns the calls until now, in order.
func (r *Runtime) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// called records a call and returns the script that holds for it.
func (r *Runtime) called(op string, node faults.NodeID, count int) Script {
	at := r.Runtime.Clock().Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, Call{At: at, Op: op, Node: node, Count: count})
	return r.script
}

// Create implements runtime.Runtime.
func (r *Runtime) Create(ctx context.Context, plan runtime.Plan) ([]runtime.Host, error) {
	s := r.called("create", "", len(plan.Nodes))
	if s.CreateErr != nil {
		return nil, s.CreateErr
	}
	if plan.Sink != nil && len(s.GapAfter) > 0 {
		plan.Sink = &lossy{Sink: plan.Sink, after: s.GapAfter, lines: make(map[faults.NodeID]int)}
	}
	return r.Runtime.Create(ctx, plan)
}

// Launch implements runtime.Runtime.
func (r *Runtime) Launch(ctx context.Context, nodes []runtime.Launch, progress func(faults.NodeID)) error {
	for i, l := range nodes {
		s := r.called("launch", l.ID, 1)
		if err := s.refuse(l.ID); err != nil {
			return err
		}
		if err := r.Runtime.Launch(ctx, nodes[i:i+1], progress); err != nil {
			return err
		}
		for at, what := range s.ExternalAt {
			if what.Node != l.ID {
				continue
			}
			if err := r.Runtime.External(at, what); err != nil {
				return err
			}
		}
		at, dies := s.DieAt[l.ID]
		if !dies {
			continue
		}
		if err := r.Runtime.Crash(l.ID, at, errExit); err != nil {
			return err
		}
	}
	return nil
}

// refuse returns the scripted failure of a node's start, nil if there is none.
func (s *Script) refuse(id faults.NodeID) error {
	err, ok := s.LaunchErr[id]
	if !ok {
		return nil
	}
	return &runtime.NodeError{Node: id, Op: "start", Err: err, Tail: slices.Clone(s.Tail)}
}

// Do implements runtime.Runtime.
func (r *Runtime) Do(ctx context.Context, action faults.Action) error {
	s := r.called(string(action.Verb), action.Node, 1)
	if s.Do != nil {
		if err := s.Do(action); err != nil {
			return err
		}
	}
	if action.Verb == faults.Start || action.Verb == faults.Restart {
		if err := s.refuse(action.Node); err != nil {
			return err
		}
	}
	return r.Runtime.Do(ctx, action)
}

// Logs implements runtime.Runtime. It is not recorded.
func (r *Runtime) Logs(ctx context.Context, node faults.NodeID, n int) ([]string, error) {
	r.mu.Lock()
	err := r.script.LogsErr
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return r.Runtime.Logs(ctx, node, n)
}

// Shape implements runtime.LinkShaper.
func (r *Runtime) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	s := r.called("shape", "", len(layers))
	if s.Shape != nil {
		if err := s.Shape(layers); err != nil {
			return faults.Applied{}, err
		}
	}
	if s.ShapeLies {
		return faults.Applied{Engine: "fake"}, nil
	}
	return r.Runtime.Shape(ctx, layers)
}

// Probe implements runtime.LinkShaper.
func (r *Runtime) Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	s := r.called("probe", "", len(links))
	if s.ProbeErr != nil {
		return nil, s.ProbeErr
	}
	return r.Runtime.Probe(ctx, links, plan)
}

// Traffic implements runtime.LinkShaper. It is not recorded.
func (r *Runtime) Traffic(ctx context.Context) (faults.Traffic, error) {
	r.mu.Lock()
	err := r.script.TrafficErr
	r.mu.Unlock()
	if err != nil {
		return faults.Traffic{}, err
	}
	return r.Runtime.Traffic(ctx)
}

// Info implements runtime.Runtime.
func (r *Runtime) Info(ctx context.Context) runtime.Info {
	info := r.Runtime.Info(ctx)
	info.Text = "fake: " + info.Text
	return info
}

// Close implements runtime.Runtime.
func (r *Runtime) Close(ctx context.Context) error {
	r.called("close", "", 0)
	return r.Runtime.Close(ctx)
}

// lossy is a Sink that loses one line of some nodes. The simulator calls it serially.
type lossy struct {
	runtime.Sink
	after map[faults.NodeID]int
	lines map[faults.NodeID]int
}

// Line implements runtime.Sink.
func (l *lossy) Line(node faults.NodeID, at time.Time, line []byte) {
	after, ok := l.after[node]
	n := l.lines[node]
	l.lines[node] = n + 1
	if ok && n == after {
		l.Sink.Gap(node, ErrGap)
		return
	}
	l.Sink.Line(node, at, line)
}

// bare has the methods of runtime.Runtime and no others.
type bare struct{ runtime.Runtime }

// WithoutLinkShaper returns r without the ability to change links, for tests of code that needs it.
func WithoutLinkShaper(r *Runtime) runtime.Runtime { return bare{r} }
