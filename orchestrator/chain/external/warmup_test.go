package external

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// warm is plain with blocks that are made first: one at each node, then two more.
var warm = []string{"rpc: {kind: jsonrpc2}", "rpc: {kind: jsonrpc2}\nwarm_up: [{call: generate, each: node}, {call: generate, times: 2}]"}

// spread lets every block that one toy makes come to the others when they are asked for their height.
func (w *world) spread() { spreading(w.toys...) }

func spreading(toys ...*toy) {
	for _, y := range toys {
		y.hook = func(y *toy, method string, _ int) *RPCError {
			for _, other := range toys {
				if method == "height" && other != y {
					other.mu.Lock()
					if len(other.chain) > len(y.chain) {
						y.chain = append([]string(nil), other.chain...)
					}
					other.mu.Unlock()
				}
			}
			return nil
		}
	}
}

// TestWarmUp: blocks are made in turn, each on the one before, once.
func TestWarmUp(t *testing.T) {
	w := newWorld(t, 3, parse(t, plain, warm...))
	w.spread()
	for range 2 {
		if err := w.connectPeers(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{3, 1, 1} {
		if n := w.toys[i].count("generate"); n != want {
			t.Errorf("node %d made %d blocks", i, n)
		}
	}
	if height, _, err := w.height(t.Context(), w.order[2]); err != nil || height != 5 {
		t.Errorf("height %d, %v", height, err)
	}
	w = newWorld(t, 3, parse(t, plain, warm...))
	w.attached = true
	if err := w.connectPeers(t.Context()); err != nil || w.toys[0].count("generate") != 0 {
		t.Errorf("blocks were made on nodes that ran already, or %v", err)
	}
}

// TestWarmUpFails where blocks are not made and where they do not spread; it goes on where it stopped.
func TestWarmUpFails(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain, warm...))
	w.toys[1].hook = func(_ *toy, method string, _ int) *RPCError {
		if method == "generate" {
			return &RPCError{Code: 1, Message: "no"}
		}
		return nil
	}
	w.toys[1].set(1, "made1")
	if err := w.connectPeers(t.Context()); err == nil || !strings.Contains(err.Error(), "toy.yaml:10:11: warm_up, step 1 of 2: node b, call generate") {
		t.Errorf("%v", err)
	}
	// A step that is done is not done again.
	w = newWorld(t, 2, parse(t, plain, warm...))
	w.spread()
	spread, refuse := w.toys[0].hook, true
	w.toys[0].hook = func(y *toy, method string, height int) *RPCError {
		if refuse && method == "generate" && y.calls["generate"] == 2 {
			return &RPCError{Code: 1, Message: "no"}
		}
		return spread(y, method, height)
	}
	if err := w.connectPeers(t.Context()); err == nil || !strings.Contains(err.Error(), "warm_up, step 2 of 2: node a, call generate") {
		t.Errorf("%v", err)
	}
	refuse = false
	if err := w.connectPeers(t.Context()); err != nil || w.toys[1].count("generate") != 1 {
		t.Errorf("the first step was done again, or %v", err)
	}
	w = newWorld(t, 2, parse(t, plain, warm...))
	w.toys[0].set(1, "higher")
	ctx, end := context.WithCancelCause(t.Context())
	w.toys[1].hook = func(*toy, string, int) *RPCError {
		end(errLow)
		return nil
	}
	if err := w.level(ctx, w.order[0]); !errors.Is(err, errLow) || !strings.HasPrefix(err.Error(), "a is at height 1, b at 0: the block did not come") {
		t.Errorf("%v", err)
	}
}
