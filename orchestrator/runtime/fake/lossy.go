package fake

import (
	"errors"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// ErrGap is the reason of scripted gaps.
var ErrGap = errors.New("scripted loss of a line")

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
