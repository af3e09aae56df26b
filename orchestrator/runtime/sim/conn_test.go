package sim

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/wire"
)

const ms = time.Millisecond

func TestConn_BaseDelay(t *testing.T) {
	l := joined(t)
	l.send("a", "b", 1)
	l.send("b", "a", 2)
	l.until(20 * ms)
	l.expect("10.5ms b got 1 from a", "10.5ms a got 2 from b")
}

func TestDial_Simultaneous(t *testing.T) {
	l := launchAll(t, "a", "b")
	l.dial("a", "b")
	l.dial("b", "a")
	l.until(time.Second)
	l.expect("1.5ms a up b outbound=true", "1.5ms b up a outbound=false")
}

func TestDial_Fails(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(l *lab)
		dial    func(l *lab)
		want    []string
	}{
		{"process down: refused after a round trip", func(l *lab) { l.do(faults.Kill, "b") }, nil,
			[]string{"1ms a dial b failed"}},
		{"paused", func(l *lab) { l.do(faults.Pause, "b") }, nil, []string{"2s a dial b failed"}},
		{"cut there", func(l *lab) { l.shape(oneWay("a", "b", true, faults.Shape{})) }, nil,
			[]string{"2s a dial b failed"}},
		{"cut back", func(l *lab) { l.shape(oneWay("b", "a", true, faults.Shape{})) }, nil,
			[]string{"2s a dial b failed"}},
		{"slower than the timeout", func(l *lab) { l.shape(oneWay("a", "b", false, faults.Shape{Delay: time.Second})) },
			nil, []string{"2s a dial b failed"}},
		{"no host", nil, func(l *lab) { l.dial("a", "x") }, []string{"2s a dial ? failed"}},
		{"itself", nil, func(l *lab) { l.dial("a", "a") }, []string{"0s a dial a failed"}},
		{"another identity", nil, func(l *lab) {
			l.perform("a", node.Effect{Kind: node.EffectDial, Peer: idOf("a"), Addr: l.addr("b")})
		}, []string{"1.5ms a dial a failed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := launchAll(t, "a", "b")
			if tt.prepare != nil {
				tt.prepare(l)
			}
			if tt.dial == nil {
				tt.dial = func(l *lab) { l.dial("a", "b") }
			}
			tt.dial(l)
			l.until(10 * time.Second)
			l.expect(tt.want...)
		})
	}
}

func TestDial_FaultMeanwhile(t *testing.T) {
	tests := []struct {
		name   string
		during func(l *lab)
		want   []string
	}{
		{"cut", func(l *lab) { l.shape(cut("a", "b")) }, []string{"2s a dial b failed"}},
		{"kill", func(l *lab) { l.do(faults.Kill, "b") }, []string{"1.5ms a dial b failed"}},
		{"pause", func(l *lab) { l.do(faults.Pause, "b") }, []string{"2s a dial b failed"}},
		{"kill of the dialler", func(l *lab) { l.do(faults.Kill, "a") }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := launchAll(t, "a", "b")
			l.dial("a", "b")
			l.until(1 * ms)
			tt.during(l)
			l.until(10 * time.Second)
			l.expect(tt.want...)
		})
	}
}

func TestDial_PausedDialler(t *testing.T) {
	for _, tt := range []struct {
		resume time.Duration
		want   []string
	}{
		{time.Second, []string{"1s a up b outbound=true", "1s b up a outbound=false"}},
		{5 * time.Second, []string{"5s a dial b failed"}}, // after its timeout
	} {
		l := launchAll(t, "a", "b")
		l.dial("a", "b")
		l.do(faults.Pause, "a")
		l.until(tt.resume)
		l.expect()
		l.do(faults.Resume, "a")
		l.until(10 * time.Second)
		l.expect(tt.want...)
	}
}

func TestConn_OrderUnderJitter(t *testing.T) {
	l := joined(t)
	l.shape(oneWay("a", "b", false, faults.Shape{Delay: 50 * ms, Jitter: 40 * ms}))
	for n := range uint64(200) {
		l.send("a", "b", n)
		l.until(10*ms + time.Duration(n+1)*100*time.Microsecond)
	}
	l.until(time.Second)
	got := l.stubs["b"].messages
	if len(got) != 200 {
		t.Fatalf("%d of 200 messages arrived", len(got))
	}
	for i, n := range got {
		if n != uint64(i) {
			t.Fatalf("message %d arrived in place %d", n, i)
		}
	}
	if tr, _ := l.r.Traffic(t.Context()); tr != (faults.Traffic{Delayed: 200}) {
		t.Fatalf("traffic %+v", tr)
	}
}

func TestConn_CutUntilRetransmission(t *testing.T) {
	l := joined(t)
	l.send("a", "b", 1) // in flight when the cut begins: lost at 10.5 ms
	l.shape(oneWay("a", "b", true, faults.Shape{}))
	l.until(100 * ms)
	l.send("a", "b", 2)
	l.send("b", "a", 3) // the other direction is not cut
	l.until(1000 * ms)
	l.expect("100.5ms a got 3 from b")
	if tr, _ := l.r.Traffic(t.Context()); tr != (faults.Traffic{Dropped: 2}) {
		t.Fatalf("traffic %+v, want 2 dropped", tr)
	}
	l.shape()
	l.until(1010 * ms)
	l.send("a", "b", 4) // behind the others
	l.until(2 * time.Second)
	// Retransmissions: 10.5 ms + 200, 600, 1400 ms.
	l.expect("1.411s b got 1 from a", "1.411s b got 2 from a", "1.411s b got 4 from a")
}

func TestConn_SecondCutBackoff(t *testing.T) {
	l := joined(t)
	l.shape(cut("a", "b"))
	l.send("a", "b", 1) // lost at 10 ms
	l.until(300 * ms)
	l.shape()
	l.until(400 * ms)
	l.shape(cut("a", "b")) // before the attempt at 610 ms, which is lost too
	l.until(700 * ms)
	l.shape()
	l.until(5 * time.Second)
	l.expect("1.4105s b got 1 from a")
}

func TestConn_Disconnect(t *testing.T) {
	l := joined(t)
	l.send("a", "b", 1)
	l.disconnect("a", "b", "bored")
	l.send("a", "b", 2) // too late
	l.send("b", "a", 3) // the socket is closed
	l.until(20 * ms)
	l.expect("10ms a down b: bored", "10.5ms b got 1 from a", "10.5ms b down a: closed by peer")
	l.disconnect("a", "b", "again") // not connected: no effect
	l.until(30 * ms)
	l.expect()
	if n := len(l.r.w.free); n != 1 {
		t.Fatalf("%d free connections, want 1", n)
	}
}

func TestConn_CloseDuringCut(t *testing.T) {
	l := joined(t)
	l.shape(cut("a", "b"))
	l.disconnect("a", "b", "ping timeout")
	l.until(time.Second)
	l.expect("10ms a down b: ping timeout")
	l.shape()
	l.until(3 * time.Second)
	l.expect("1.4105s b down a: closed by peer")
}

func TestConn_BothCloseDuringCut(t *testing.T) {
	l := joined(t)
	l.shape(cut("a", "b"))
	l.disconnect("a", "b", "ping timeout")
	l.disconnect("b", "a", "ping timeout")
	l.until(time.Second)
	l.expect("10ms a down b: ping timeout", "10ms b down a: ping timeout")
	l.shape()
	l.dial("b", "a")
	l.until(3 * time.Second)
	l.expect("1.0015s b up a outbound=true", "1.0015s a up b outbound=false")
}

func TestConn_ReplacesHalfOpen(t *testing.T) {
	l := joined(t)
	l.shape(cut("a", "b"))
	l.disconnect("a", "b", "ping timeout")
	l.until(time.Second)
	l.shape()
	l.dial("a", "b") // before the old connection's end reaches b
	l.until(3 * time.Second)
	l.expect("10ms a down b: ping timeout", "1.0015s b down a: reset by a new connection",
		"1.0015s a up b outbound=true", "1.0015s b up a outbound=false")
}

func TestConn_ProcessEnds(t *testing.T) {
	for verb, want := range map[faults.Verb][]string{
		faults.Kill: {"10.5ms b down a: closed by peer"},
		faults.Stop: {"10ms a stop", "10.5ms b down a: closed by peer"},
	} {
		l := joined(t)
		l.do(verb, "a")
		l.send("b", "a", 1)
		l.until(time.Second)
		l.expect(want...)
		l.do(faults.Start, "a")
		l.dial("a", "b")
		l.until(2 * time.Second)
		l.expect("1.0015s a up b outbound=true", "1.0015s b up a outbound=false")
	}
}

func TestPause_HoldsInputsInOrder(t *testing.T) {
	l := joined(t)
	l.perform("b", node.Effect{Kind: node.EffectTimer, Timer: node.TimerID{Kind: 7}, At: l.r.w.time() + node.Time(ms)})
	l.do(faults.Pause, "b")
	l.send("a", "b", 1)
	l.send("a", "b", 2)
	l.until(time.Second)
	l.expect()
	l.do(faults.Resume, "b")
	l.until(2 * time.Second)
	l.expect("1s b got 1 from a", "1s b timer 7", "1s b got 2 from a")
}

func TestPause_KilledWhilePaused(t *testing.T) {
	l := joined(t)
	l.do(faults.Pause, "b")
	l.send("a", "b", 1)
	l.dial("b", "a") // cannot complete while paused; dropped by the kill
	l.until(time.Second)
	l.do(faults.Kill, "b")
	l.do(faults.Start, "b")
	l.until(5 * time.Second)
	l.expect("1.0005s a down b: closed by peer")
	if n := len(l.r.w.queue.calls) - len(l.r.w.queue.free); n != 0 {
		t.Fatalf("%d deferred calls are left", n)
	}
}

func TestRetransmission_TCPBackoff(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct{ lost, now, want time.Duration }{
		{0, 0, 200 * ms},
		{0, 200 * ms, 200 * ms},
		{0, 201 * ms, 600 * ms},
		{0, 601 * ms, 1400 * ms},
		{0, 30 * s, 51 * s}, // 200 ms (2^8 - 1)
		{5 * s, 6 * s, 6400 * ms},
		// 200 ms (2^10 - 1) = 204.6 s is the last doubling; then every 120 s.
		{0, 205 * s, 324600 * ms},
		{0, 325 * s, 444600 * ms},
	} {
		if got := retransmission(int64(tt.lost), int64(tt.now)); got != int64(tt.want) {
			t.Errorf("lost at %v, healed at %v: next attempt at %v, want %v", tt.lost, tt.now, time.Duration(got), tt.want)
		}
	}
}

func TestStream_OrderAndMemory(t *testing.T) {
	var s stream
	next := uint64(0)
	for n := range uint64(10000) {
		s.push(flight{at: int64(n), msg: &wire.Ping{Nonce: n}})
		if n < 50 {
			continue
		}
		if got := s.pop().(*wire.Ping).Nonce; got != next {
			t.Fatalf("popped %d, want %d", got, next)
		}
		next++
	}
	if cap(s.queue) > 256 {
		t.Fatalf("queue of 50 packets has room for %d", cap(s.queue))
	}
	for !s.empty() {
		s.pop()
	}
	if s.head != 0 || len(s.queue) != 0 {
		t.Fatalf("empty stream: head %d, length %d", s.head, len(s.queue))
	}
}
