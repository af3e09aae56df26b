package sim

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
)

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
	l.timer("a", 2, 10*ms) // taken away
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

func TestTimersEndWithTheProcess(t *testing.T) {
	l := launchAll(t, "a")
	l.timer("a", 1, 10*ms)
	l.timer("a", 2, 20*ms)
	l.do(faults.Kill, "a")
	l.do(faults.Start, "a")
	l.timer("a", 9, 20*ms) // takes the slot of timer 1
	l.until(time.Second)
	l.expect("20ms a timer 9")
}

func TestTimerPostponedWhilePaused(t *testing.T) {
	l := launchAll(t, "a")
	l.timer("a", 1, 10*ms)
	l.timer("a", 1, 5*time.Second)
	l.do(faults.Pause, "a")
	l.until(time.Second)
	l.do(faults.Resume, "a")
	l.until(10 * time.Second)
	l.expect("5s a timer 1")
}
