package external

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

// TestConnector_FirstBlock: the first producer makes it, all others are given it, once; and none is made where the nodes are
// somebody's own.
func TestConnector_FirstBlock(t *testing.T) {
	file := parse(t, plain, "rpc: {kind: jsonrpc2}", "rpc: {kind: jsonrpc2}\nfirst_block: {make: [generate, head], give: connect}",
		"calls:\n", "calls:\n  connect: {method: connect, params: [\"{{.Last}} for {{.Node.Name}}\"]}\n")
	w := newHarness(t, 3, file)
	refuse := true
	w.fakes[2].hook = func(y *fakeNode, method string, _ int) *RPCError {
		if refuse && method == "connect" {
			return &RPCError{Code: 1, Message: "no"}
		}
		return nil
	}
	must.Fail(t, "give the first block to c: node c, call connect")(w.connectPeers(t.Context()))
	refuse = false
	for range 2 {
		must.Check(t, w.connectPeers(t.Context()))
	}
	// The second attempt made another block.
	want := [][]string{nil, {"x-made1 for b", "x-made2 for b"}, {"x-made2 for c"}}
	for i, y := range w.fakes {
		must.Equal(t, want[i], y.sent)
	}
	w = newHarness(t, 3, file)
	w.connector.attached = true
	if err := w.connectPeers(t.Context()); err != nil || w.fakes[0].count("generate") != 0 {
		t.Errorf("a block was made on nodes that ran already, or %v", err)
	}
}

func TestConnector_Peers(t *testing.T) {
	w := newHarness(t, 3, parse(t, plain, "rpc: {kind: jsonrpc2}", "rpc: {kind: jsonrpc2}\npeers: {call: connect}",
		"calls:\n", "calls:\n  connect: {method: connect, params: [\"{{.Peer.Name}}\"]}\n"))
	sent := func() (out [][]string) {
		for _, y := range w.fakes {
			y.mu.Lock()
			out = append(out, y.sent)
			y.sent = nil
			y.mu.Unlock()
		}
		return out
	}
	fail := true
	w.fakes[1].hook = func(y *fakeNode, _ string, _ int) *RPCError {
		if fail && len(y.sent) == 1 {
			return &RPCError{Code: 1, Message: "no"}
		}
		return nil
	}
	must.Fail(t, "connect node b to its peer a: node b, call connect")(w.connectPeers(t.Context()))
	fail = false
	must.Check(t, w.connectPeers(t.Context()))
	// No node is given an address twice, unless it was started again.
	must.Equal(t, [][]string{{"b", "c"}, {"c", "a"}, {"a", "b"}}, sent())
	must.Check(t, w.connectPeers(t.Context(), "b"))
	must.Equal(t, [][]string{nil, {"c", "a"}, nil}, sent())
	fail = true
	w.fakes[1].sent = []string{"x"}
	must.Fail(t, "")(w.connectPeers(t.Context(), "b"))
	must.Fail(t, "has no node nobody")(w.connectPeers(t.Context(), "nobody"))
	w.connector.attached, fail = true, false
	sent()
	must.Check(t, errors.Join(w.connectPeers(t.Context()), w.connectPeers(t.Context(), "b")))
	must.Equal(t, [][]string{nil, nil, nil}, sent())
	// Of a testnet that another process made, those that this one starts again are.
	w.connector.attached, w.connector.opened = false, true
	must.Check(t, errors.Join(w.connectPeers(t.Context()), w.connectPeers(t.Context(), "b")))
	must.Equal(t, [][]string{nil, {"c", "a"}, nil}, sent())
	must.Check(t, newHarness(t, 2, parse(t, plain)).connectPeers(context.Background()))
}

// warm is plain with blocks that are made first: one at each node, then two more.
var warm = []string{"rpc: {kind: jsonrpc2}", "rpc: {kind: jsonrpc2}\nwarm_up: [{call: generate, each: node}, {call: generate, times: 2}]"}

// spread lets every block that one fake node makes come to the others when their height is read.
func (w *harness) spread() { spreading(w.fakes...) }

func spreading(fakes ...*fakeNode) {
	for _, y := range fakes {
		y.hook = func(y *fakeNode, method string, _ int) *RPCError {
			for _, other := range fakes {
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

// TestConnector_WarmUp: blocks are made in turn, each on the one before, once.
func TestConnector_WarmUp(t *testing.T) {
	w := newHarness(t, 3, parse(t, plain, warm...))
	w.spread()
	for range 2 {
		must.Do(t, w.connectPeers(t.Context()))
	}
	for i, want := range []int{3, 1, 1} {
		if n := w.fakes[i].count("generate"); n != want {
			t.Errorf("node %d made %d blocks", i, n)
		}
	}
	if height, _, err := w.reader.height(t.Context(), w.net.nodes[2]); err != nil || height != 5 {
		t.Errorf("height %d, %v", height, err)
	}
	w = newHarness(t, 3, parse(t, plain, warm...))
	w.connector.attached = true
	if err := w.connectPeers(t.Context()); err != nil || w.fakes[0].count("generate") != 0 {
		t.Errorf("blocks were made on nodes that ran already, or %v", err)
	}
}

// TestConnector_WarmUpErrors where blocks are not made and where they do not spread; it goes on where it stopped.
func TestConnector_WarmUpErrors(t *testing.T) {
	w := newHarness(t, 2, parse(t, plain, warm...))
	w.fakes[1].hook = failing("generate", 1)
	w.fakes[1].set(1, "made1")
	must.Fail(t, "toy.yaml:10:11: warm_up, step 1 of 2: node b, call generate")(w.connectPeers(t.Context()))
	// A step that is done is not done again.
	w = newHarness(t, 2, parse(t, plain, warm...))
	w.spread()
	spread, refuse := w.fakes[0].hook, true
	w.fakes[0].hook = func(y *fakeNode, method string, height int) *RPCError {
		if refuse && method == "generate" && y.calls["generate"] == 2 {
			return &RPCError{Code: 1, Message: "no"}
		}
		return spread(y, method, height)
	}
	must.Fail(t, "warm_up, step 2 of 2: node a, call generate")(w.connectPeers(t.Context()))
	refuse = false
	if err := w.connectPeers(t.Context()); err != nil || w.fakes[1].count("generate") != 1 {
		t.Errorf("the first step was done again, or %v", err)
	}
	w = newHarness(t, 2, parse(t, plain, warm...))
	w.fakes[0].set(1, "higher")
	ctx, end := context.WithCancelCause(t.Context())
	w.fakes[1].hook = func(*fakeNode, string, int) *RPCError {
		end(errNotSpread)
		return nil
	}
	if err := w.connector.awaitHeightOf(ctx, w.net.nodes[0]); !errors.Is(err, errNotSpread) || !strings.HasPrefix(err.Error(), "a is at height 1, b at 0: the block did not come") {
		t.Errorf("%v", err)
	}
}
