package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
)

func TestHeap_PopOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h heap
	var want []event
	pop := func() {
		i := 0
		for k := range want {
			if want[k].before(want[i]) {
				i = k
			}
		}
		if got := h.pop(); got != want[i] {
			t.Fatalf("popped %+v, want %+v", got, want[i])
		}
		want = slices.Delete(want, i, i+1)
	}
	for n := range uint32(5000) {
		at := rng.Int64N(50)
		h.push(at, eventKind(n%4), n, n+1)
		want = append(want, event{at: at, key: h.seq<<kindBits | uint64(n%4), ref: n, arg: n + 1})
		if rng.IntN(3) == 0 {
			pop()
		}
	}
	for len(want) > 0 {
		pop()
	}
	if len(h.events) != 0 {
		t.Fatalf("%d events are left", len(h.events))
	}
}

func TestRing_LastLines(t *testing.T) {
	r := ring{limit: maxLogBytes}
	if got := r.tail(5); got != nil {
		t.Fatalf("empty: %q", got)
	}
	for i := range 10 * maxLines {
		r.add(fmt.Appendf(nil, "line %d", i))
		if r.lines > maxLines {
			t.Fatalf("%d lines, at most %d", r.lines, maxLines)
		}
		if i == 2 {
			if got := r.tail(2); !slices.Equal(got, []string{"line 1", "line 2"}) {
				t.Fatalf("tail %q", got)
			}
			if got := r.tail(100); len(got) != 3 {
				t.Fatalf("tail of all: %q", got)
			}
		}
	}
	got := r.tail(maxLines / 2)
	if len(got) != maxLines/2 || got[len(got)-1] != fmt.Sprintf("line %d", 10*maxLines-1) {
		t.Fatalf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	if r.tail(0) != nil || r.tail(-1) != nil {
		t.Error("tail of no lines is not nil")
	}
}

func TestRing_BoundedInBytes(t *testing.T) {
	r := ring{limit: 100}
	for i := range 50 {
		r.add([]byte(strings.Repeat("x", i)))
		if len(r.buf) > r.limit {
			t.Fatalf("%d bytes after line %d", len(r.buf), i)
		}
		if got := r.tail(1); len(got) != 1 || len(got[0]) != i {
			t.Fatalf("last line %q, want %d bytes", got, i)
		}
	}
	r.add([]byte(strings.Repeat("y", 1000)))
	if got := r.tail(10); len(got) != 1 || len(got[0]) != 99 {
		t.Fatalf("a line longer than the log: %q", got)
	}
}

func TestRing_LimitPerNode(t *testing.T) {
	for n, want := range map[int]int{0: maxLogBytes, 1: maxLogBytes, 1024: 64 << 10, 10000: minLogBytes} {
		if got := limitFor(n); got != want {
			t.Errorf("%d nodes: %d bytes each, want %d", n, got, want)
		}
	}
}

func TestRing_AddText(t *testing.T) {
	r := ring{limit: 1000}
	r.addText("one\ntwo\r\n\nfour")
	r.addText("")
	if got, want := r.tail(10), []string{"one", "two", "", "four"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func (l *lab) timer(name string, kind node.TimerKind, at time.Duration) {
	e := node.Effect{Kind: node.EffectTimer, Timer: node.TimerID{Kind: kind}}
	if at != 0 {
		e.At = l.r.w.epoch + node.Time(at)
	}
	l.perform(name, e)
}

func TestTimers(t *testing.T) {
	l := launchAll(t, "a")
	l.timer("a", 1, 10*ms) // stays
	l.timer("a", 2, 10*ms) // cancelled
	l.timer("a", 2, 0)
	l.timer("a", 3, 10*ms) // postponed
	l.timer("a", 3, 30*ms)
	l.timer("a", 4, 30*ms) // brought forward
	l.timer("a", 4, 5*ms)
	l.timer("a", 5, 30*ms) // brought forward, then back
	l.timer("a", 5, 5*ms)
	l.timer("a", 5, 20*ms)
	l.timer("a", 6, 0) // never set
	l.until(time.Second)
	l.expect("5ms a timer 4", "10ms a timer 1", "20ms a timer 5", "30ms a timer 3")
	l.timer("a", 1, 10*ms) // in the past: now
	l.until(2 * time.Second)
	l.expect("1s a timer 1")
}

func TestTimers_EndWithProcess(t *testing.T) {
	l := launchAll(t, "a")
	l.timer("a", 1, 10*ms)
	l.timer("a", 2, 20*ms)
	l.do(faults.Kill, "a")
	l.do(faults.Start, "a")
	l.timer("a", 9, 20*ms) // takes the slot of timer 1
	l.until(time.Second)
	l.expect("20ms a timer 9")
}

func TestTimers_PostponedWhilePaused(t *testing.T) {
	l := launchAll(t, "a")
	l.timer("a", 1, 10*ms)
	l.timer("a", 1, 5*time.Second)
	l.do(faults.Pause, "a")
	l.until(time.Second)
	l.do(faults.Resume, "a")
	l.until(10 * time.Second)
	l.expect("5s a timer 1")
}
