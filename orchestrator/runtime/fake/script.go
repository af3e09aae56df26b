package fake

import (
	"time"

	"github.com/netsplit/netsplit/faults"
)

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
	// GapAfter loses the line of a node that comes after so many, and tells the Sink of the gap.
	GapAfter map[faults.NodeID]int
	// Do, if not nil, may fail an action.
	Do func(faults.Action) error
	// Shape, if not nil, may fail a change of the links; then nothing changes.
	Shape func(layers []faults.Layer) error
	// ShapeLies makes Shape report success and do nothing.
	ShapeLies bool
	// Probe, if not nil, may falsify each measurement.
	Probe func(faults.Measurement) faults.Measurement
	// ProbeErr and TrafficErr, if not nil, are what Probe and Traffic return.
	ProbeErr   error
	TrafficErr error
	// LogsErr, if not nil, is what Logs returns.
	LogsErr error
	// CloseErr, if not nil, is what Close returns, after it has closed.
	CloseErr error
}

// Call is something that the runtime was asked to do.
type Call struct {
	At time.Duration // by the runtime's clock
	Op string        // "create", "launch", "kill", "shape", "probe", "close" ...
	// Node is the node concerned, empty where it is not one.
	Node faults.NodeID
	// Count is the number of nodes (create), layers (shape) or links (probe).
	Count int
}
