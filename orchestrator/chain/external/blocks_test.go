package external

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestBlockStore_MaxBodies(t *testing.T) {
	b := newBlockStore()
	for _, word := range words("p", maxBodies+10) {
		if !b.add(trace.Block{Hash: trace.Hash(word)}) {
			t.Fatalf("%s is not new", word)
		}
	}
	if len(b.body) != maxBodies || len(b.order) != maxBodies {
		t.Errorf("%d bodies, %d in order", len(b.body), len(b.order))
	}
	if _, ok := b.get("p9"); ok {
		t.Error("an old one is kept")
	}
	if b.add(trace.Block{Hash: "p9"}) {
		t.Error("a known one is new")
	}
}

// TestBlockStore_MaxBytes: blocks that are few and large are not all kept.
func TestBlockStore_MaxBytes(t *testing.T) {
	b := newBlockStore()
	body := func(i int) trace.Block {
		x := trace.Block{Hash: trace.Hash(fmt.Sprint(i)), Txs: []trace.Hash{trace.Hash(strings.Repeat("x", 1<<20))}}
		return x
	}
	for i := range 200 {
		b.add(body(i))
	}
	total := 0
	for _, x := range b.body {
		total += bytesOf(x)
	}
	if total > maxBodyBytes || total != b.bytes || len(b.body) != len(b.order) || len(b.body) < 60 || len(b.body) > 64 {
		t.Errorf("%d blocks of %d bytes are kept, counted as %d; at most %d are meant to be", len(b.body), total, b.bytes, maxBodyBytes)
	}
	if _, ok := b.get("199"); !ok {
		t.Error("the latest block is not kept")
	}
	if !b.add(trace.Block{Hash: "small"}) || b.add(body(3)) {
		t.Error("what nodes have shown is forgotten with the bodies")
	}
}
