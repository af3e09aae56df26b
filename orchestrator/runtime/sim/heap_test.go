package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestHeapPopsInOrderOfTimeThenPush(t *testing.T) {
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

func TestEventKeepsItsKind(t *testing.T) {
	var h heap
	for _, k := range []eventKind{arriveA, arriveB, timer, control} {
		h.push(1, k, 0, 0)
	}
	for _, k := range []eventKind{arriveA, arriveB, timer, control} {
		if got := h.pop().kind(); got != k {
			t.Fatalf("kind %d, want %d", got, k)
		}
	}
}
