package run

import (
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Progress shows people what a run is doing; nothing depends on it. Methods may be called from any goroutine.
type Progress interface {
	// Phase says that a long step begins, of total parts (0: unknown).
	Phase(text string, total int)
	// Part says that one part of the step is done.
	Part()
	// Note is a line about something that happened, at a run time.
	Note(at time.Duration, text string)
	// Update says how the run stands, once in every second of run time from its first on, until the run has settled.
	Update(Snapshot)
}

// Snapshot is how a run stands at one moment. It is made from what was recorded until then; no node is queried for it.
type Snapshot struct {
	// At is the run time. Duration is the length of the schedule: while the testnet settles, At is greater.
	At, Duration time.Duration
	Phase        trace.PhaseName // PhaseScheduled or PhaseSettling
	// Up is how many nodes are up: neither paused nor down.
	Up int
	// MinHeight and MaxHeight are the least and the greatest height of the heads of the nodes that are up.
	MinHeight, MaxHeight uint64
	// Chains is how many different chains these nodes follow: heads that are no ancestor of another node's head.
	Chains int
	// ActiveFaults are the IDs of the faults that hold ("partition-1"), in the order in which they began.
	ActiveFaults []string
	// Busy is how punctual the machine was in the last second; zero where that is not measured.
	Busy trace.Busy
}

// noProgress is a Progress that shows nothing.
type noProgress struct{}

func (noProgress) Phase(string, int)          {}
func (noProgress) Part()                      {}
func (noProgress) Note(time.Duration, string) {}
func (noProgress) Update(Snapshot)            {}
