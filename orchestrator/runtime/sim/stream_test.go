package sim

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/node/wire"
)

func TestRetryFollowsTCP(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct{ lost, now, want time.Duration }{
		{0, 0, 200 * ms},
		{0, 200 * ms, 200 * ms},
		{0, 201 * ms, 600 * ms},
		{0, 601 * ms, 1400 * ms},
		{0, 30 * s, 51*s + 0},
		{5 * s, 6 * s, 6400 * ms},
		// 200 ms (2^10 - 1) = 204.6 s is the last doubling; then every 120 s.
		{0, 205 * s, 324600 * ms},
		{0, 325 * s, 444600 * ms},
	} {
		want := tt.want
		if tt.now == 30*s {
			want = 51000 * ms // 200 ms (2^8 - 1)
		}
		if got := retry(int64(tt.lost), int64(tt.now)); got != int64(want) {
			t.Errorf("lost at %v, healed at %v: next attempt at %v, want %v", tt.lost, tt.now, time.Duration(got), want)
		}
	}
}

func TestStreamKeepsOrderAndLittleMemory(t *testing.T) {
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
