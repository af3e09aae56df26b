package nfqueue

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/nft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = int64(time.Millisecond)

// link makes a pair of two small numbers.
func link(t testing.TB, from, to byte) nft.Pair {
	t.Helper()
	p := must.Get(nft.PairOf(netip.AddrFrom4([4]byte{10, 0, 0, from}), netip.AddrFrom4([4]byte{10, 0, 0, to})))(t)
	return p
}

func delay(d, jitter time.Duration) faults.Shape { return faults.Shape{Delay: d, Jitter: jitter} }

// due is what is released by a time, without a limit.
func due(s *schedule, now int64) (ids []uint32) {
	for _, p := range s.due(now, nil, 1<<30) {
		ids = append(ids, p.id)
	}
	return ids
}

// probeContent stands for the content of a probe.
var probeContent = []byte("probe")

func TestSchedule_Delay(t *testing.T) {
	a, b := link(t, 1, 2), link(t, 2, 1)
	s := newSchedule(1)
	s.set(map[nft.Pair]faults.Shape{a: delay(10*time.Millisecond, 0), b: delay(5*time.Millisecond, 0)})
	if _, ok := s.next(); ok {
		t.Error("an empty schedule has a next release")
	}
	for i, p := range []nft.Pair{a, b, a} {
		if !s.arrive(p, uint32(i+1), int64(i)*ms, nil) {
			t.Fatalf("packet %d is not held", i+1)
		}
	}
	if s.arrive(link(t, 1, 3), 9, 0, nil) {
		t.Error("a packet of an unknown link is held")
	}
	if at, _ := s.next(); at != 6*ms {
		t.Errorf("next release at %d, want 6 ms", at)
	}
	for _, step := range []struct {
		at   int64
		want []uint32
	}{{6*ms - 1, nil}, {6 * ms, []uint32{2}}, {20 * ms, []uint32{1, 3}}, {1 << 60, nil}} {
		if diff := cmp.Diff(step.want, due(s, step.at)); diff != "" {
			t.Errorf("due at %d (-want +got):\n%s", step.at, diff)
		}
	}
	if s.held != 0 {
		t.Errorf("%d are held, want none", s.held)
	}
}

func TestSchedule_JitterKeepsOrder(t *testing.T) {
	a := link(t, 1, 2)
	s := newSchedule(7)
	s.set(map[nft.Pair]faults.Shape{a: delay(10*time.Millisecond, 10*time.Millisecond)})
	var early, late int
	var last uint32
	for i := range uint32(10_000) {
		now := int64(i) * 50 * ms // far apart: no packet waits for the one before
		s.arrive(a, 2*i+1, now, nil)
		s.arrive(a, 2*i+2, now+1, nil)
		at, _ := s.next()
		if at < now || at > now+20*ms {
			t.Fatalf("packet %d is released %d ns after it arrived, want 0 to 20 ms", i, at-now)
		}
		if at < now+10*ms {
			early++
		} else {
			late++
		}
		for _, id := range due(s, now+40*ms) {
			if id != last+1 {
				t.Fatalf("packet %d was released after %d", id, last)
			}
			last = id
		}
	}
	if last != 20_000 {
		t.Errorf("%d packets were released, want all", last)
	}
	if early < 4500 || late < 4500 {
		t.Errorf("%d packets were early and %d late, want about as many", early, late)
	}
}

func TestSchedule_JitterFollowsSeed(t *testing.T) {
	times := func(seed uint64, p nft.Pair) (out []int64) {
		s := newSchedule(seed)
		s.set(map[nft.Pair]faults.Shape{p: delay(time.Second, time.Second)})
		for i := range uint32(20) {
			s.arrive(p, i, 0, nil)
			at := s.links[p].last
			out = append(out, at)
		}
		return out
	}
	a, b := link(t, 1, 2), link(t, 2, 1)
	if diff := cmp.Diff(times(3, a), times(3, a)); diff != "" {
		t.Errorf("one seed gave two results:\n%s", diff)
	}
	if cmp.Equal(times(3, a), times(4, a)) {
		t.Error("two seeds gave one result")
	}
	if cmp.Equal(times(3, a), times(3, b)) {
		t.Error("both directions have the same jitter")
	}
}

func TestSchedule_ShorterDelayKeepsOrder(t *testing.T) {
	a := link(t, 1, 2)
	s := newSchedule(1)
	s.set(map[nft.Pair]faults.Shape{a: delay(100*time.Millisecond, 0)})
	s.arrive(a, 1, 0, nil)
	s.set(map[nft.Pair]faults.Shape{a: delay(time.Millisecond, 0)})
	s.arrive(a, 2, ms, nil)
	if got := due(s, 99*ms); got != nil {
		t.Errorf("%v were released before the first packet", got)
	}
	if diff := cmp.Diff([]uint32{1, 2}, due(s, 100*ms)); diff != "" {
		t.Error(diff)
	}
}

func TestSchedule_HealedLinkDrains(t *testing.T) {
	a, b := link(t, 1, 2), link(t, 2, 1)
	s := newSchedule(1)
	s.set(map[nft.Pair]faults.Shape{a: delay(10*time.Millisecond, 0), b: delay(10*time.Millisecond, 0)})
	s.arrive(a, 1, 0, nil)
	s.caughtUp(s.generation)
	s.set(nil)
	if n := len(s.pairs()); n != 2 || s.takeDrained() {
		t.Errorf("%d links stay while packets may be unread, want 2", n)
	}
	s.caughtUp(s.generation)
	if diff := cmp.Diff(map[nft.Pair]struct{}{a: {}}, s.pairs()); diff != "" {
		t.Errorf("links after healing (-want +got):\n%s", diff)
	}
	if !s.takeDrained() {
		t.Error("takeDrained missed the empty link")
	}
	s.arrive(a, 2, 5*ms, nil)
	if s.takeDrained() {
		t.Error("the link was removed with packets held")
	}
	if diff := cmp.Diff([]uint32{1, 2}, due(s, 10*ms)); diff != "" {
		t.Errorf("packets of the healed link (-want +got):\n%s", diff)
	}
	if !s.takeDrained() || s.takeDrained() {
		t.Error("takeDrained must report the link once")
	}
	if len(s.pairs()) != 0 || s.arrive(a, 3, 11*ms, nil) {
		t.Error("the link was not removed")
	}
}

func TestSchedule_RedelayedLinkKeepsOrder(t *testing.T) {
	a := link(t, 1, 2)
	s := newSchedule(1)
	want := map[nft.Pair]faults.Shape{a: delay(10*time.Millisecond, 0)}
	s.set(want)
	s.arrive(a, 1, 0, nil)
	s.set(nil)
	s.set(want)
	s.arrive(a, 2, ms, nil)
	if diff := cmp.Diff([]uint32{1}, due(s, 10*ms)); diff != "" {
		t.Error(diff)
	}
	if len(s.pairs()) != 1 {
		t.Error("the link was removed although it is delayed")
	}
	if diff := cmp.Diff([]uint32{2}, due(s, 11*ms)); diff != "" {
		t.Error(diff)
	}
}

func TestSchedule_DueLimit(t *testing.T) {
	a := link(t, 1, 2)
	s := newSchedule(1)
	s.set(map[nft.Pair]faults.Shape{a: {}})
	for i := range uint32(5) {
		s.arrive(a, i, 0, nil)
	}
	if got := s.due(0, nil, 3); len(got) != 3 || s.held != 2 {
		t.Errorf("%d were released and %d are held, want 3 and 2", len(got), s.held)
	}
}

// TestSchedule_Model compares random operations with one plain queue per link: order is kept and nothing is lost.
func TestSchedule_Model(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := newSchedule(seed)
		links := []nft.Pair{link(t, 1, 2), link(t, 2, 1), link(t, 1, 3)}
		queues := make(map[nft.Pair][]uint32)
		owner := make(map[uint32]nft.Pair)
		var id uint32
		now := int64(0)
		release := func(limit int) {
			for _, held := range s.due(now, nil, limit) {
				got := held.id
				p := owner[got]
				if queues[p][0] != got {
					t.Fatalf("seed %d: packet %d was released before %d", seed, got, queues[p][0])
				}
				queues[p] = queues[p][1:]
			}
		}
		for range 3000 {
			now += r.Int64N(ms)
			switch r.IntN(10) {
			case 0:
				want := make(map[nft.Pair]faults.Shape)
				for _, p := range links {
					if r.IntN(2) == 0 {
						want[p] = delay(time.Duration(r.Int64N(20*ms)), time.Duration(r.Int64N(5*ms)))
					}
				}
				s.set(want)
			case 1, 2:
				release(r.IntN(5))
			case 3:
				s.caughtUp(s.generation)
			default:
				p := links[r.IntN(3)]
				id++
				if s.arrive(p, id, now, nil) {
					queues[p] = append(queues[p], id)
					owner[id] = p
				} else if len(queues[p]) > 0 {
					t.Fatalf("seed %d: packet %d overtook %d that are held", seed, id, len(queues[p]))
				}
			}
		}
		now = 1 << 60
		release(1 << 30)
		s.set(nil)
		s.caughtUp(s.generation)
		if len(s.links)+len(s.draining)+s.held != 0 {
			t.Errorf("seed %d: %d links stayed, %d packets are held", seed, len(s.links), s.held)
		}
		for p, q := range queues {
			if len(q) != 0 {
				t.Errorf("seed %d: %d packets of %v were never released", seed, len(q), p)
			}
		}
	}
}

func BenchmarkSchedule(b *testing.B) {
	s := newSchedule(1)
	want := make(map[nft.Pair]faults.Shape)
	var links []nft.Pair
	for i := range byte(100) {
		for j := range byte(100) {
			if i != j {
				links = append(links, link(b, i, j))
			}
		}
	}
	for _, p := range links {
		want[p] = delay(20*time.Millisecond, 5*time.Millisecond)
	}
	s.set(want)
	var packets []heldPacket
	now, i := int64(0), uint32(0)
	for b.Loop() {
		now += 10_000
		i++
		s.arrive(links[int(i)*7919%len(links)], i, now, nil)
		packets = s.due(now, packets[:0], 256)
	}
}

// Probes keep an order of their own: they show the jitter that a packet gets, whatever is queued before it.
func TestSchedule_Probes(t *testing.T) {
	s := newSchedule(1)
	a := link(t, 1, 2)
	s.set(map[nft.Pair]faults.Shape{a: {Delay: time.Second}})
	s.arrive(a, 1, 0, nil)
	s.arrive(a, 2, 0, probeContent)
	s.set(map[nft.Pair]faults.Shape{a: {Delay: 10 * time.Millisecond}})
	s.arrive(a, 3, ms, nil)
	s.set(nil)
	s.caughtUp(3)
	s.arrive(a, 4, 2*ms, probeContent)
	if early, got := s.due(999*ms, nil, 10), s.due(1000*ms, nil, 10); len(early) != 0 || len(got) != 4 {
		t.Errorf("released %v and then %v, want none before the first of its kind", early, got)
	}
	if len(s.pairs()) != 0 || len(s.links) != 0 {
		t.Error("a drained link stays")
	}
	s.set(map[nft.Pair]faults.Shape{a: {Delay: time.Second}})
	s.arrive(a, 1, 0, nil)
	s.set(map[nft.Pair]faults.Shape{a: {Delay: 10 * time.Millisecond}})
	s.arrive(a, 2, ms, nil)
	s.arrive(a, 3, ms, probeContent)
	got := s.due(11*ms, nil, 10)
	if len(got) != 1 || got[0].id != 3 {
		t.Fatalf("released %v, want the probe alone", got)
	}
	if p := got[0].probe; p == nil || string(p.content) != string(probeContent) || p.hold != 10*time.Millisecond {
		t.Errorf("the probe is %+v", p)
	}
	// A probe that waits for the one ahead of it is not meant to be held any longer.
	s.set(map[nft.Pair]faults.Shape{a: {Delay: 5 * time.Millisecond}})
	s.arrive(a, 4, 20*ms, probeContent)
	s.set(map[nft.Pair]faults.Shape{a: {Delay: 2 * time.Millisecond}})
	s.arrive(a, 5, 20*ms, probeContent)
	if got := s.due(25*ms, nil, 10); len(got) != 2 || got[1].release != 25*ms || got[1].probe.hold != 2*time.Millisecond {
		t.Errorf("released %+v", got)
	}
}
