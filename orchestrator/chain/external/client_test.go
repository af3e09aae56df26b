package external

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestClient_Status(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	w.fakes[0].set(1, "p", "q")
	s, err := w.Client("a").Status(t.Context())
	if diff := cmp.Diff(trace.Status{Head: "x-q", Height: 2, Peers: 2, Mempool: -1}, s); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	must.Fail(t, "has no node nobody")(w.Client("nobody").Status(t.Context()))
	if _, _, ok := w.ParseLog("a", []byte("{}")); ok {
		t.Error("a line is an event")
	}
	if w.Capabilities().Polling.Interval != w.file.Observe.Every {
		t.Errorf("%v", w.Capabilities().Polling.Interval)
	}
}

// TestClient_StatusErrors breaks each question in turn.
func TestClient_StatusErrors(t *testing.T) {
	for broken, replace := range map[string][]string{
		"observe.head":   {"head: {call: head, jq: .}", "head: {call: head, jq: '7'}"},
		"observe.peers":  {"peers: {call: peers, jq: .}", "peers: {call: peers, jq: '[.]'}"},
		"observe.height": {"height: {call: height, jq: .}", "height: {call: height, jq: 'null'}"},
		"call nothing":   {"head: {call: head, jq: .}", "head: {call: nothing, jq: .}", "head: {method: head}", "head: {method: head}\n  nothing: {method: nothing}"},
		"call peers":     {"peers: {method: peers}", "peers: {method: gone}"},
	} {
		w := newHarness(t, 1, parse(t, plain, replace...))
		w.fakes[0].set(1, "p")
		must.Fail(t, broken)(w.Client("a").Status(t.Context()))
	}
	file := parse(t, plain)
	w := newHarness(t, 1, file)
	delete(file.Calls, "height")
	must.Fail(t, "there is no call height")(w.Client("a").Status(t.Context()))
}

func TestClient_StatusWaitsForReady(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain, "rpc: {kind: jsonrpc2}",
		"rpc: {kind: jsonrpc2}\nready: {call: status, jq: .ready}", "calls:\n", "calls:\n  status: {method: status}\n"))
	client := w.Client("a")
	must.Fail(t, "not ready: toy.yaml:10:27: node a, ready: jq .ready gives false")(client.Status(t.Context()))
	w.fakes[0].set(1, "p")
	if _, err := client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	w.fakes[0].count("status")
	if _, err := client.Status(t.Context()); err != nil || w.fakes[0].count("status") != 0 {
		t.Errorf("queried again, %v", err)
	}
	bad := newHarness(t, 1, parse(t, plain, "rpc: {kind: jsonrpc2}",
		"rpc: {kind: jsonrpc2}\nready: {call: [status], jq: .ready.x}", "calls:\n", "calls:\n  status: {method: status}\n"))
	must.Fail(t, "not ready: toy.yaml:10:29: node a, ready: jq .ready.x fails: expected an object")(bad.Client("a").Status(t.Context()))
	bad.fakes[0].hook = func(*fakeNode, string, int) *RPCError { return &RPCError{Code: 9, Message: "starting"} }
	must.Fail(t, "not ready: node a, call status")(bad.Client("a").Status(t.Context()))
}

func TestClient_Block(t *testing.T) {
	w := newHarness(t, 2, parse(t, plain))
	w.fakes[0].set(1, "p", "q")
	w.polled("a")
	a, b := w.Client("a"), w.Client("b")
	w.fakes[0].count("block")
	got, err := a.Block(t.Context(), "x-p")
	if err != nil || got.Hash != "x-p" || got.Height != 1 || w.fakes[0].count("block") != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	must.Fail(t, ErrUnknownBlock)(b.Block(t.Context(), "x-p"))
	// A block that is not stored is read again, as long as it is on the node's chain.
	w.store.body = map[trace.Hash]trace.Block{}
	w.store.order = nil
	if got, err = a.Block(t.Context(), "x-p"); err != nil || got.Hash != "x-p" || w.fakes[0].count("block") != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	w.fakes[0].set(1, "y", "z")
	must.Fail(t, ErrUnknownBlock)(a.Block(t.Context(), "x-p"))
	w.fakes[0].set(1)
	must.Fail(t, "")(a.Block(t.Context(), "x-p"))
	must.Fail(t, "has no node nobody")(w.Client("nobody").Block(t.Context(), "x-p"))
}

func TestClient_HashAt(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	w.fakes[0].set(1, "p", "q")
	client := w.Client("a")
	if h, err := client.HashAt(t.Context(), 1); h != "x-p" || err != nil {
		t.Errorf("hash %s, %v", h, err)
	}
	must.Fail(t, chain.ErrNoBlock)(client.HashAt(t.Context(), 3))
	w.fakes[0].hook = failing("block", 1)
	if _, err := client.HashAt(t.Context(), 1); err == nil || errors.Is(err, chain.ErrNoBlock) {
		t.Errorf("a node that is broken: %v", err)
	}
	must.Fail(t, "has no node nobody")(w.Client("nobody").HashAt(t.Context(), 1))
}

// TestClient_FindTx: the transaction is in the block that is made while it is waited for, also where the chain is replaced on the
// way there. Each block of a fake node holds 0xab and its height, so that a word shows its block.
func TestClient_FindTx(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	w.fakes[0].set(1, "p", "q", "r")
	client := w.Client("a")
	must.Check(t, w.Capabilities().NoFindTx)
	if h, err := client.FindTx(t.Context(), "0xAB3", 1); h != 3 || err != nil {
		t.Errorf("at %d, %v", h, err)
	}
	queries := 0
	w.fakes[0].hook = func(y *fakeNode, method string, _ int) *RPCError {
		if method != "height" {
			return nil
		}
		switch queries++; queries {
		case 2:
			return &RPCError{Code: 1, Message: "busy"}
		case 3:
			y.replace(2, "s") // the chain becomes shorter, and another
		case 5:
			y.replace(3, "t", "u", "v")
		}
		return nil
	}
	if h, err := client.FindTx(t.Context(), "0xab5", 1); h != 5 || err != nil {
		t.Errorf("at %d, %v", h, err)
	}
	w.fakes[0].hook = nil
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	must.Fail(t, context.DeadlineExceeded)(client.FindTx(ctx, "0xab2", 2))
	none := newHarness(t, 1, parse(t, plain, ", txs: .txs", ""))
	if err := none.Capabilities().NoFindTx; !errors.Is(err, ErrNoTxs) || !strings.Contains(err.Error(), "chain toy") {
		t.Errorf("%v", err)
	}
}

func TestClient_FindTxShowsLastError(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	w.fakes[0].hook = func(*fakeNode, string, int) *RPCError { return &RPCError{Code: 1, Message: "out of order"} }
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := w.Client("a").FindTx(ctx, "x", 0)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("%v", err)
	}
}
