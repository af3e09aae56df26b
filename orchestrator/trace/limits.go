package trace

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"
)

// What a trace may hold. It may be somebody else's: what it says costs those who judge it time and memory. Runs of netsplit stay
// far below.
const (
	// MaxName is the most bytes of a node's name, a hash and the like, MaxText of a reason or another text.
	MaxName = 1024
	MaxText = 64_000

	maxNodes    = 200_000
	maxEdges    = 4_000_000
	maxInterval = 365 * 24 * time.Hour // of anything; of times of events too
	minBlocks   = time.Millisecond     // least block interval
	maxPower    = 1e15
	maxExpected = 1000   // invariants of a run
	maxPlanned  = 10_000 // faults of a run, and loads
	// maxFaultEvents is four phases of each planned fault.
	maxFaultEvents = 4 * maxPlanned
	maxPace        = 1_000_000 // blocks of a pace
	// maxObjects and maxValues bound the parts of one event, which take many times the memory of their text.
	maxObjects = 300_000
	maxValues  = 12_000_000
)

// checkLine refuses a line whose event would take too much memory, before it is decoded.
func checkLine(line []byte) error {
	if len(line) < 64<<10 {
		return nil
	}
	objects := bytes.Count(line, []byte{'{'})
	if objects > maxObjects || objects+bytes.Count(line, []byte{','})+bytes.Count(line, []byte{'['}) > maxValues {
		return fmt.Errorf("the event has more than %d objects or %d values", maxObjects, maxValues)
	}
	return nil
}

// CheckLimits returns an error for an event that readers of a trace refuse, because a name, a text, a number or a time in it is
// out of all bounds.
func CheckLimits(e *Event) error {
	if e.At.Abs() > maxInterval {
		return fmt.Errorf("its time is %s", e.At)
	}
	long := len(e.Node) > MaxName
	text, clock := 0, time.Time{}
	switch e.Kind {
	case KindRun:
		return e.Run.checkLimits()
	case KindSeen:
		long = long || len(e.Seen.Hash) > MaxName || len(e.Seen.Parent) > MaxName || len(e.Seen.From) > MaxName
	case KindHead:
		long = long || len(e.Head.Hash) > MaxName || len(e.Head.Old) > MaxName
	case KindBlock:
		long = long || len(e.Block.Hash) > MaxName || len(e.Block.Parent) > MaxName || len(e.Block.Producer) > MaxName ||
			slices.ContainsFunc(e.Block.Txs, isLong)
		clock = e.Block.Time
	case KindFinal:
		long = long || len(e.Final.Hash) > MaxName
	case KindPeer:
		long, text = long || len(e.Peer.Peer) > MaxName, len(e.Peer.Reason)
	case KindRefuse:
		long, text = long || len(e.Refuse.Peer) > MaxName || len(e.Refuse.Hash) > MaxName, len(e.Refuse.Reason)
	case KindAttack:
		long = long || len(e.Attack.Peer) > MaxName || len(e.Attack.Hash) > MaxName || len(e.Attack.Kind) > MaxName
		text = len(e.Attack.Reason)
	case KindSubmit:
		long, text = long || len(e.Submit.Tx) > MaxName, len(e.Submit.Error)
	case KindNode:
		long, text = long || len(e.Lifecycle.Fault) > MaxName, len(e.Lifecycle.Reason)
	case KindStatus:
		long, text = long || len(e.Status.Head) > MaxName, len(e.Status.Error)
	case KindFault:
		long, text = long || len(e.Fault.ID) > MaxName || len(e.Fault.Kind) > MaxName, len(e.Fault.Text)
	case KindProbe:
		long, text = long || len(e.Probe.Fault) > MaxName, len(e.Probe.Error)
	case KindAnswer:
		long, text = long || e.Answer.hasLongName(), len(e.Answer.Error)
		if clock = e.Answer.Clock; hasDate(clock) {
			clock = e.Answer.PeersClock
		}
	case KindBusy:
		text = len(e.Busy.What)
	case KindPhase:
		long = len(e.Phase.Name) > MaxName
	case KindGap:
		text = len(e.Gap.Reason)
	case KindEnd:
		long, text = len(e.End.Died) > MaxName, len(e.End.Error)
	}
	switch {
	case long:
		return fmt.Errorf("a name or hash has more than %d bytes", MaxName)
	case text > MaxText:
		return fmt.Errorf("a text has more than %d bytes", MaxText)
	case !hasDate(clock):
		return fmt.Errorf("the year %d of a clock cannot be written", clock.Year())
	}
	return nil
}

// hasDate reports whether a time can be written as RFC 3339 has it, with four digits for the year.
func hasDate(t time.Time) bool { return t.Year() >= 0 && t.Year() <= 9999 }

func isLong[T ~string](name T) bool { return len(name) > MaxName }

func (a *Answer) hasLongName() bool {
	if m := a.Mode; m != nil && isLong(m.Work) {
		return true
	}
	if x := a.Account; x != nil && isLong(x.Address) {
		return true
	}
	if x := a.Tx; x != nil && (isLong(x.Tx) || isLong(x.Status) || isLong(x.Block)) {
		return true
	}
	return isLong(a.Head) || slices.ContainsFunc(a.Peers, func(p PeerAnswer) bool { return isLong(p.Peer) }) ||
		slices.ContainsFunc(a.Blocks, func(b BlockAnswer) bool { return isLong(b.Hash) })
}

func (r *Run) checkLimits() error {
	f := &r.Chain
	for _, x := range []struct {
		name  string
		d     time.Duration
		least time.Duration
	}{
		{"duration", r.Duration, 0}, {"half_life", f.HalfLife, 0}, {"resolution", f.Resolution, 0}, {"ban_time", f.BanTime, 0}, {"relay_within", f.RelayWithin, 0},
		{"block_interval", f.BlockInterval, minBlocks},
	} {
		if x.d != 0 && (x.d < x.least || x.d > maxInterval) {
			return fmt.Errorf("run: %s is %s, want %s to %s", x.name, x.d, x.least, maxInterval)
		}
	}
	switch {
	case len(r.Nodes) > maxNodes, len(r.Edges) > maxEdges:
		return fmt.Errorf("run: %d nodes and %d edges, at most %d and %d are read", len(r.Nodes), len(r.Edges), maxNodes, maxEdges)
	case len(r.Expect) > maxExpected:
		return fmt.Errorf("run: %d invariants are expected, at most %d are read", len(r.Expect), maxExpected)
	case r.Plan != nil && (len(r.Plan.Faults) > maxPlanned || len(r.Plan.Load) > maxPlanned || len(r.Plan.Reports) > len(kinds)):
		return fmt.Errorf("run: its plan has more than %d faults or loads", maxPlanned)
	case f.Pace != nil && (f.Pace.Blocks < 0 || f.Pace.Blocks > maxPace || f.Pace.Over < 0 || f.Pace.Over > maxInterval ||
		f.Pace.Spread < 0 || f.Pace.Spread > maxInterval):
		return fmt.Errorf("run: a pace of %d blocks in %s, spread %s", f.Pace.Blocks, f.Pace.Over, f.Pace.Spread)
	case f.ForkDepth < 0 || f.ForkDepth > math.MaxInt32:
		return fmt.Errorf("run: fork_depth is %d", f.ForkDepth)
	case !(f.Quorum >= 0 && f.Quorum <= 1):
		return fmt.Errorf("run: quorum is %v, want a share", f.Quorum)
	}
	for i := range r.Nodes {
		n := &r.Nodes[i]
		switch {
		case !(n.Mine >= 0 && n.Mine <= maxPower):
			return fmt.Errorf("run: node %.40q has the power %v, want 0 to %v", n.ID, n.Mine, maxPower)
		case len(n.ID) > MaxName, len(n.Role) > MaxName, len(n.Account) > MaxName, len(n.Addr) > MaxName:
			return fmt.Errorf("run: a name of node %d has more than %d bytes", i+1, MaxName)
		}
	}
	if len(r.ID)+len(r.Scenario)+len(r.Runtime)+len(r.Version)+len(f.Name)+len(f.File) > MaxText {
		return fmt.Errorf("run: its texts have more than %d bytes", MaxText)
	}
	return nil
}

// A trace takes a bounded part of the memory of those who read it: budgetBase, and budgetPerByte for each byte of its file. A
// file that decompresses to much more than others do was made for that.
const (
	budgetBase    = 512 << 20
	budgetPerByte = 500
	budgetEvery   = 8 << 20 // bytes of events between two looks at the memory
)

// BudgetError says that a trace takes more memory than a trace of its size should.
type BudgetError struct{ Limit uint64 }

// Error implements error.
func (e *BudgetError) Error() string {
	return fmt.Sprintf("the events up to here take more than %d MiB of memory, which no trace of this size should", e.Limit>>20)
}

// budget watches the memory of the process while a trace is read.
type budget struct {
	limit uint64
	read  int // bytes since the last look
	live  func() uint64
}

func newBudget(size int64) *budget {
	b := &budget{live: liveMemory}
	b.limit = b.live() + budgetBase + budgetPerByte*uint64(size)
	return b
}

// add takes in a line. It collects garbage before it says that there is too much.
func (b *budget) add(bytes int) error {
	if b.read += bytes; b.read < budgetEvery {
		return nil
	}
	b.read = 0
	if b.live() <= b.limit {
		return nil
	}
	runtime.GC()
	if b.live() <= b.limit {
		return nil
	}
	return &BudgetError{b.limit}
}

// liveMemory is the memory of all objects, those included that are garbage since the last collection.
func liveMemory() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
