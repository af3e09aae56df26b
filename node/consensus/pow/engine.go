package pow

import (
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/node/chain"
)

// Rules on a header's time.
const (
	MedianSpan = 11                       // number of headers whose median time a child must exceed
	MaxAhead   = chain.Millis(120 * 1000) // most milliseconds that a header's time may be ahead of the clock
)

// Engine is the rules of one network. It has no state and may be used by many goroutines.
type Engine struct {
	bits     uint32
	target   chain.Target
	interval chain.Millis
	halfLife chain.Millis
}

var _ chain.Engine = (*Engine)(nil)

// New makes the engine of g, which must be valid.
func New(g *chain.Genesis) *Engine {
	target, err := chain.TargetFromBits(g.Bits)
	if err != nil {
		panic("pow: genesis was not validated: " + err.Error())
	}
	return &Engine{bits: g.Bits, target: target, interval: g.Interval, halfLife: g.HalfLife}
}

// CheckHeader implements chain.Engine. Cheap checks, and those that cost an attacker work, come first.
func (e *Engine) CheckHeader(h *chain.Header, branch chain.Branch, now chain.Millis) error {
	if want := e.NextBits(branch); h.Bits != want {
		return chain.Invalid(chain.ErrBits, "want %08x, got %08x", want, h.Bits)
	}
	target, err := chain.TargetFromBits(h.Bits)
	if err != nil {
		return chain.Invalid(chain.ErrBits, "%v", err)
	}
	if hash := h.Hash(); !target.Met(hash) {
		return chain.Invalid(chain.ErrProof, "%s is above the target of %08x", hash, h.Bits)
	}
	if least := e.MinTime(branch); h.Time < least {
		return chain.Invalid(chain.ErrTimeOld, "want at least %d, got %d", least, h.Time)
	}
	if h.Time > now && h.Time-now > MaxAhead {
		return &futureError{time: h.Time, now: now}
	}
	return nil
}

// NextBits implements chain.Engine. Block 1 has the bits of genesis and is the reference of all later blocks. Its parent's
// time is taken as one interval before its own, so that the time between genesis and the start of mining does not count.
func (e *Engine) NextBits(branch chain.Branch) uint32 {
	first := branch.First()
	if first == nil {
		return e.bits
	}
	tip := branch.Ancestor(0)
	// Times are at least that of genesis, and heights grow by one: no difference overflows.
	target := NextTarget(e.target, e.interval, e.halfLife, tip.Time-(first.Time-e.interval), int64(tip.Height-1))
	return target.Bits()
}

// MinTime implements chain.Engine: one more than the median time of the last MedianSpan headers, or of all if there
// are fewer, the upper one of the two middle ones if their number is even.
func (e *Engine) MinTime(branch chain.Branch) chain.Millis {
	var buf [MedianSpan]chain.Millis
	times := buf[:0]
	for len(times) < MedianSpan {
		h := branch.Ancestor(len(times))
		if h == nil {
			break
		}
		times = append(times, h.Time)
	}
	slices.Sort(times)
	return times[len(times)/2] + 1
}

// futureError is the error of a header that may become valid later.
type futureError struct{ time, now chain.Millis }

func (e *futureError) Error() string {
	return fmt.Sprintf("%v: %d ms after the clock, at most %d are allowed", chain.ErrFuture, e.time-e.now, MaxAhead)
}

func (e *futureError) Unwrap() error { return chain.ErrFuture }
