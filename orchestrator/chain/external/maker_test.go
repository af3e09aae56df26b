package external

import (
	"context"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

func TestMaker_BlockIsMade(t *testing.T) {
	w := newHarness(t, 2, parse(t, plain))
	if w.Capabilities().MakeBlock == nil {
		t.Fatal("does not produce")
	}
	must.Do(t, w.makeBlock(t.Context(), "a"))
	w.fakes[1].set(1, "made1")
	must.Equal(t, "+made1 made1 head 1 made1 (was )", w.polled("b"))
	must.Equal(t, "!made1 head 1 made1 (was )", w.polled("a"))
}

// TestMaker_PollWaitsForReply: the block is there before the node has said that it made it.
func TestMaker_PollWaitsForReply(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	n := w.nodes["a"].maker
	w.fakes[0].set(1, "p")
	n.making <- struct{}{}
	w.fakes[0].mu.Lock()
	read := make(chan struct{})
	w.fakes[0].hook = func(y *fakeNode, method string, height int) *RPCError {
		if method == "block" {
			close(read)
			y.hook = nil
		}
		return nil
	}
	w.fakes[0].mu.Unlock()
	got := make(chan string)
	go func() { got <- w.polled("a") }()
	<-read
	n.note("x-p")
	<-n.making
	must.Equal(t, "+p !p head 1 p (was )", <-got)
	n.making <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must.Fail(t, context.Canceled)(w.makeBlock(ctx, "a"))
}

// A node that replies to the command, and makes no block, is noticed, also in warm_up.
func TestMaker_PoliteRefusal(t *testing.T) {
	t.Parallel()
	busy := []string{"  generate: {method: generate}", "  generate: {method: busy}"}
	w := newHarness(t, 1, parse(t, plain, busy...))
	w.fakes[0].set(1, "x", "y")
	must.Fail(t, `make a block at a: node a replied busy and made no block: its chain stayed at height 2`)(w.makeBlock(t.Context(), "a"))
	w = newHarness(t, 2, parse(t, plain, append(busy, warm...)...))
	must.Fail(t, `warm_up, step 1 of 2: node a replied busy and made no block`)(w.connectPeers(t.Context()))
}

func TestMaker_Errors(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	w.fakes[0].hook = failing("generate", 1)
	must.Fail(t, "make a block at a: node a, call generate")(w.makeBlock(t.Context(), "a"))
	must.Fail(t, "has no node nobody")(w.makeBlock(t.Context(), "nobody"))
	none := newHarness(t, 1, parse(t, plain, "  make_block: {call: generate}\n", "", "  generate: {method: generate}\n", ""))
	if none.Capabilities().MakeBlock != nil {
		t.Error("a chain without act.make_block makes blocks on command")
	}
}

// A reorganisation between the two calls that give a height makes the second one fail.
func TestMaker_HeightFailsOnce(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	w.fakes[0].hook = func(y *fakeNode, method string, _ int) *RPCError {
		if method != "height" {
			return nil
		}
		y.hook = nil
		return &RPCError{Code: -32603, Message: "the block is not in the main chain"}
	}
	must.Do(t, w.makeBlock(t.Context(), "a"))
}
