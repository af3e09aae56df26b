package trace

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"runtime/metrics"
	"time"
)

// What a trace may hold. It may be somebody else's: what it says costs those who judge it time and memory. Runs of netsplit stay
// far below.
const (
	maxName     = 512    // bytes of a node's name, a hash and the like
	maxText     = 64_000 // bytes of a reason or another text
	maxNodes    = 200_000
	maxEdges    = 4_000_000
	maxInterval = 365 * 24 * time.Hour // of anything; of times of events too
	minBlocks   = time.Millisecond     // least block interval
	maxPower    = 1e15
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

// checkLimits refuses an event that is out of the limits above.
func checkLimits(e *Event) error {
	if e.At.Abs() > maxInterval {
		return fmt.Errorf("its time is %s", e.At)
	}
	long := len(e.Node) > maxName
	text := 0
	switch e.Kind {
	case KindRun:
		return e.Run.checkLimits()
	case KindSeen:
		long = long || len(e.Seen.Hash) > maxName || len(e.Seen.Parent) > maxName || len(e.Seen.From) > maxName
	case KindHead:
		long = long || len(e.Head.Hash) > maxName || len(e.Head.Old) > maxName
	case KindBlock:
		long = long || len(e.Block.Hash) > maxName || len(e.Block.Parent) > maxName || len(e.Block.Producer) > maxName
	case KindFinal:
		long = long || len(e.Final.Hash) > maxName
	case KindPeer:
		long, text = long || len(e.Peer.Peer) > maxName, len(e.Peer.Reason)
	case KindRefuse:
		long, text = long || len(e.Refuse.Peer) > maxName || len(e.Refuse.Hash) > maxName, len(e.Refuse.Reason)
	case KindAttack:
		long = long || len(e.Attack.Peer) > maxName || len(e.Attack.Hash) > maxName || len(e.Attack.Kind) > maxName
	case KindSubmit:
		long, text = long || len(e.Submit.Tx) > maxName, len(e.Submit.Error)
	case KindNode:
		long, text = long || len(e.Lifecycle.Fault) > maxName, len(e.Lifecycle.Reason)
	case KindStatus:
		long, text = long || len(e.Status.Head) > maxName, len(e.Status.Error)
	case KindFault:
		long, text = long || len(e.Fault.ID) > maxName || len(e.Fault.Kind) > maxName, len(e.Fault.Text)
	case KindProbe:
		long, text = long || len(e.Probe.Fault) > maxName, len(e.Probe.Error)
	case KindGap:
		text = len(e.Gap.Reason)
	case KindEnd:
		text = len(e.End.Error)
	}
	switch {
	case long:
		return fmt.Errorf("a name or hash has more than %d bytes", maxName)
	case text > maxText:
		return fmt.Errorf("a text has more than %d bytes", maxText)
	}
	return nil
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
		case len(n.ID) > maxName, len(n.Role) > maxName, len(n.Account) > maxName, len(n.Addr) > maxName:
			return fmt.Errorf("run: a name of node %d has more than %d bytes", i+1, maxName)
		}
	}
	if len(r.ID)+len(r.Scenario)+len(r.Runtime)+len(r.Version)+len(f.Name)+len(f.File) > maxText {
		return fmt.Errorf("run: its texts have more than %d bytes", maxText)
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
