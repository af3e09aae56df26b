package replay

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// LateTimer is how late a timer of the run may be before the machine counts as late in that second.
const LateTimer = 100 * time.Millisecond

const (
	// waiting is the share of a second in which programs may wait for a CPU before the machine counts as late in that second.
	waiting = 0.9
	// lateShare is the share of the run in which the machine may be late, and stall the most by which a single timer may be
	// late, before times and delays say nothing of the nodes any more.
	lateShare = 0.1
	stall     = time.Second
)

// IsLate says whether the machine was late in the time that an event is about.
func IsLate(b *trace.Busy) bool { return b.Late >= LateTimer || b.Waiting >= waiting }

// Machine is how punctual the machine was that carried out the run, from the beginning of the schedule until nodes were taken
// down.
type Machine struct {
	Measured time.Duration `json:"measured"` // zero where nothing is known, as in a simulation
	Late     time.Duration `json:"late"`     // the part of it in which the machine was late
	// Worst is the most by which a timer was late, WorstAt when, What what it was for.
	Worst   time.Duration `json:"worst"`
	WorstAt time.Duration `json:"worst_at"`
	What    string        `json:"what,omitempty"`
	// Waited is for how long programs waited for a CPU, of Measured.
	Waited time.Duration `json:"waited"`
}

func (m *Machine) add(b *trace.Busy, now time.Duration) {
	length := now - max(b.From, 0)
	if length <= 0 {
		return
	}
	m.Measured += length
	if IsLate(b) {
		m.Late += length
	}
	if b.Waiting > 0 {
		m.Waited += time.Duration(min(b.Waiting, 1) * float64(length))
	}
	if b.Late > m.Worst {
		m.Worst, m.WorstAt, m.What = b.Late, now, b.What
	}
}

// Problem says by how much the machine was late; empty if it was punctual enough for times to be judged.
func (m *Machine) Problem() string {
	if m.Worst < stall && float64(m.Late) <= lateShare*float64(m.Measured) {
		return ""
	}
	return "the machine was late " + m.Text()
}

// Text says by how much the machine was late.
func (m *Machine) Text() string {
	return fmt.Sprintf("by up to %s (%s, at %s), in %.0f%% of the run; programs waited for a CPU %.0f%% of the time",
		trace.Round(m.Worst), m.What, trace.Round(m.WorstAt), percent(m.Late, m.Measured), percent(m.Waited, m.Measured))
}

func percent(part, all time.Duration) float64 {
	if all <= 0 {
		return 0
	}
	return 100 * part.Seconds() / all.Seconds()
}
