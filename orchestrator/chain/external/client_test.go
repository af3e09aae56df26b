package external

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestStatus(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, "p", "q")
	s, err := w.Client("a").Status(t.Context())
	if diff := cmp.Diff(trace.Status{Head: "x-q", Height: 2, Peers: 2, Mempool: -1}, s); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if s, err := w.Client("nobody").Status(t.Context()); err == nil {
		t.Errorf("%+v", s)
	}
	if _, _, ok := w.ParseLog("a", []byte("{}")); ok {
		t.Error("a line is an event")
	}
	if w.Capabilities().Polling.Interval != w.file.Observe.Every || w.URL("a") != "http://10.0.0.1:7001/" || w.URL("nobody") != "" {
		t.Errorf("%v %s", w.Capabilities().Polling.Interval, w.URL("a"))
	}
}

// TestStatusFails breaks each question in turn.
func TestStatusFails(t *testing.T) {
	for broken, replace := range map[string][]string{
		"observe.head":   {"head: {call: head, jq: .}", "head: {call: head, jq: '7'}"},
		"observe.peers":  {"peers: {call: peers, jq: .}", "peers: {call: peers, jq: '[.]'}"},
		"observe.height": {"height: {call: height, jq: .}", "height: {call: height, jq: 'null'}"},
		"error at head":  {"head: {call: head, jq: .}", "head: {call: head, jq: 'error(\"at head\")'}"},
		"call nothing":   {"head: {call: head, jq: .}", "head: {call: nothing, jq: .}", "head: {method: head}", "head: {method: head}\n  nothing: {method: nothing}"},
		"call peers":     {"peers: {method: peers}", "peers: {method: gone}"},
	} {
		t.Run(broken, func(t *testing.T) {
			w := newWorld(t, 1, parse(t, plain, replace...))
			w.toys[0].set(1, "p")
			want := strings.TrimPrefix(broken, "error ")
			if s, err := w.Client("a").Status(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	t.Run("a call that is not there", func(t *testing.T) {
		file := parse(t, plain)
		w := newWorld(t, 1, file)
		delete(file.Calls, "height")
		if _, err := w.Client("a").Status(t.Context()); err == nil || !strings.Contains(err.Error(), "there is no call height") {
			t.Errorf("%v", err)
		}
	})
}

func TestReadyIsAskedUntilItIs(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain, "rpc: {kind: jsonrpc2}",
		"rpc: {kind: jsonrpc2}\nready: {call: status, jq: .ready}", "calls:\n", "calls:\n  status: {method: status}\n"))
	client := w.Client("a")
	if s, err := client.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "not ready: toy.yaml:10:27: node a, ready: jq .ready gives false") {
		t.Errorf("%+v, %v", s, err)
	}
	w.toys[0].set(1, "p")
	if _, err := client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	w.toys[0].count("status")
	if _, err := client.Status(t.Context()); err != nil || w.toys[0].count("status") != 0 {
		t.Errorf("asked again, %v", err)
	}
	bad := newWorld(t, 1, parse(t, plain, "rpc: {kind: jsonrpc2}",
		"rpc: {kind: jsonrpc2}\nready: {call: [status], jq: .ready.x}", "calls:\n", "calls:\n  status: {method: status}\n"))
	if _, err := bad.Client("a").Status(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "not ready: toy.yaml:10:29: node a, ready: jq .ready.x fails: expected an object") {
		t.Errorf("%v", err)
	}
	bad.toys[0].hook = func(*toy, string, int) *RPCError { return &RPCError{Code: 9, Message: "starting"} }
	if _, err := bad.Client("a").Status(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "not ready: node a, call status") {
		t.Errorf("%v", err)
	}
}

func TestBlocksByHash(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain))
	w.toys[0].set(1, "p", "q")
	w.look("a")
	a, b := w.Client("a"), w.Client("b")
	w.toys[0].count("block")
	got, err := a.Block(t.Context(), "x-p")
	if err != nil || got.Hash != "x-p" || got.Height != 1 || w.toys[0].count("block") != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := b.Block(t.Context(), "x-p"); !errors.Is(err, ErrUnknownBlock) {
		t.Errorf("of a node that has not shown it: %+v, %v", got, err)
	}
	// What is not kept is asked for again, as long as it is on the node's chain.
	w.seen.body = map[trace.Hash]trace.Block{}
	w.seen.order = nil
	if got, err = a.Block(t.Context(), "x-p"); err != nil || got.Hash != "x-p" || w.toys[0].count("block") != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	w.toys[0].set(1, "y", "z")
	if got, err = a.Block(t.Context(), "x-p"); !errors.Is(err, ErrUnknownBlock) {
		t.Errorf("of another chain: %+v, %v", got, err)
	}
	w.toys[0].set(1)
	if got, err = a.Block(t.Context(), "x-p"); err == nil {
		t.Errorf("of a shorter chain: %+v", got)
	}
	if got, err = w.Client("nobody").Block(t.Context(), "x-p"); err == nil {
		t.Errorf("of nobody: %+v", got)
	}
}

func TestBodiesAreBounded(t *testing.T) {
	b := newBlocks()
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

func TestTransfer(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain))
	client := w.Client("a")
	for i, want := range []trace.Hash{"0xT1", "0xT2"} {
		id, err := client.Transfer(t.Context(), "b", 50)
		if err != nil || id != want {
			t.Errorf("transfer %d: %s, %v", i, id, err)
		}
	}
	w.toys[0].hook = func(y *toy, _ string, _ int) *RPCError {
		y.hook = nil
		return &RPCError{Code: 1, Message: "full"}
	}
	if id, err := client.Transfer(t.Context(), "b", 50); err == nil || !strings.Contains(err.Error(), "submit a transaction: node a, call send") {
		t.Errorf("refused: %s, %v", id, err)
	}
	if _, err := client.Transfer(t.Context(), "b", 60); err != nil {
		t.Error(err)
	}
	// A refused transaction does not use up a nonce.
	if want := []string{"a b 50 0", "a b 50 1", "a b 60 2"}; !slices.Equal(w.toys[0].sent, want) {
		t.Errorf("sent %q", w.toys[0].sent)
	}
	for _, to := range []faults.NodeID{"nobody"} {
		if _, err := client.Transfer(t.Context(), to, 1); err == nil {
			t.Errorf("to %s", to)
		}
		if _, err := w.Client(to).Transfer(t.Context(), "a", 1); err == nil {
			t.Errorf("from %s", to)
		}
	}
}

func TestTransferFails(t *testing.T) {
	const submit = "  submit: {call: send, jq: .id}\n  tx: \"{{.From.Name}} {{.To.Name}} {{.Amount}} {{.Nonce}}\"\n"
	for want, replace := range map[string][]string{
		"gives 5, which is not a transaction's id": {"jq: .id", "jq: '5'"},
		"observe":                       {"jq: .id", "jq: 'error(\"observe\")'"},
		"index out of range":            {"{{.From.Name}}", "{{index .Nodes 9}}"},
		"the chain does not say how to": {submit, "", `"{{.Tx}}"`, `x`},
	} {
		w := newWorld(t, 2, parse(t, plain, replace...))
		id, err := w.Client("a").Transfer(t.Context(), "b", 1)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v", want, id, err)
		}
		if none := replace[0] == submit; none != errors.Is(err, ErrNoSubmit) {
			t.Errorf("%v", err)
		}
	}
}

// TestATransactionIsTheAnswerWhereNoQuerySaysOtherwise: the id is normalised like hashes in blocks.
func TestATransactionIsTheAnswerWhereNoQuerySaysOtherwise(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain, "{call: send, jq: .id}", "{call: head}"))
	w.toys[0].set(1, "p")
	if id, err := w.Client("a").Transfer(t.Context(), "b", 1); err != nil || id != "x-p" {
		t.Errorf("%s, %v", id, err)
	}
}

func TestProduceFails(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].hook = func(*toy, string, int) *RPCError { return &RPCError{Code: 1, Message: "no"} }
	if err := w.makeBlock(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "make a block at a: node a, call generate") {
		t.Errorf("%v", err)
	}
	if err := w.makeBlock(t.Context(), "nobody"); err == nil {
		t.Error("nobody made a block")
	}
	none := newWorld(t, 1, parse(t, plain, "  make_block: {call: generate}\n", "", "  generate: {method: generate}\n", ""))
	if none.Capabilities().MakeBlock != nil {
		t.Error("a chain without act.make_block makes blocks on command")
	}
}

// TestFirstBlock: the first producer makes it, all others are given it, once; and none is made where the nodes are
// somebody's own.
func TestFirstBlock(t *testing.T) {
	file := parse(t, plain, "rpc: {kind: jsonrpc2}", "rpc: {kind: jsonrpc2}\nfirst_block: {make: [generate, head], give: connect}",
		"calls:\n", "calls:\n  connect: {method: connect, params: [\"{{.Last}} for {{.Node.Name}}\"]}\n")
	w := newWorld(t, 3, file)
	refuse := true
	w.toys[2].hook = func(y *toy, method string, _ int) *RPCError {
		if refuse && method == "connect" {
			return &RPCError{Code: 1, Message: "no"}
		}
		return nil
	}
	if err := w.connectPeers(t.Context()); err == nil || !strings.Contains(err.Error(), "give the first block to c: node c, call connect") {
		t.Errorf("%v", err)
	}
	refuse = false
	for range 2 {
		if err := w.connectPeers(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// The second attempt made another block.
	want := [][]string{nil, {"x-made1 for b", "x-made2 for b"}, {"x-made2 for c"}}
	for i, y := range w.toys {
		if diff := cmp.Diff(want[i], y.sent); diff != "" {
			t.Errorf("node %d: %s", i, diff)
		}
	}
	w = newWorld(t, 3, file)
	w.attached = true
	if err := w.connectPeers(t.Context()); err != nil || w.toys[0].count("generate") != 0 {
		t.Errorf("a block was made on nodes that ran already, or %v", err)
	}
}

func TestConnect(t *testing.T) {
	w := newWorld(t, 3, parse(t, plain, "rpc: {kind: jsonrpc2}", "rpc: {kind: jsonrpc2}\npeers: {call: connect}",
		"calls:\n", "calls:\n  connect: {method: connect, params: [\"{{.Peer.Name}}\"]}\n"))
	sent := func() (out [][]string) {
		for _, y := range w.toys {
			y.mu.Lock()
			out = append(out, y.sent)
			y.sent = nil
			y.mu.Unlock()
		}
		return out
	}
	fail := true
	w.toys[1].hook = func(y *toy, _ string, _ int) *RPCError {
		if fail && len(y.sent) == 1 {
			return &RPCError{Code: 1, Message: "no"}
		}
		return nil
	}
	if err := w.connectPeers(t.Context()); err == nil || !strings.Contains(err.Error(), "tell node b of its peer a: node b, call connect") {
		t.Errorf("%v", err)
	}
	fail = false
	if err := w.connectPeers(t.Context()); err != nil {
		t.Error(err)
	}
	// Nobody is told twice, until he was started again.
	if diff := cmp.Diff([][]string{{"b", "c"}, {"c", "a"}, {"a", "b"}}, sent()); diff != "" {
		t.Error(diff)
	}
	if err := w.connectPeers(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([][]string{nil, {"c", "a"}, nil}, sent()); diff != "" {
		t.Error(diff)
	}
	fail = true
	w.toys[1].sent = []string{"x"}
	if err := w.connectPeers(t.Context(), "b"); err == nil {
		t.Error("no error")
	}
	if err := w.connectPeers(t.Context(), "nobody"); err == nil {
		t.Error("nobody was told")
	}
	w.attached, fail = true, false
	sent()
	if err := errors.Join(w.connectPeers(t.Context()), w.connectPeers(t.Context(), "b")); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([][]string{nil, nil, nil}, sent()); diff != "" {
		t.Errorf("nodes that ran already were told of peers: %s", diff)
	}
	// Of a testnet that another process made, those that this one starts again are.
	w.restored = &exported{}
	if err := errors.Join(w.connectPeers(t.Context()), w.connectPeers(t.Context(), "b")); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([][]string{nil, {"c", "a"}, nil}, sent()); diff != "" {
		t.Error(diff)
	}
	if err := newWorld(t, 2, parse(t, plain)).connectPeers(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestBlocksThatMakeNoSense: each query's wrong result is an error at its place with the reply.
func TestBlocksThatMakeNoSense(t *testing.T) {
	for what, replace := range map[string][]string{
		"observe.block.hash":     {"hash: .hash", "hash: .height"},
		"observe.block.parent":   {"parent: .parent", "parent: .time"},
		"observe.block.time":     {"time: .time", "time: .hash"},
		"observe.block.proposer": {"proposer: .by", "proposer: .time"},
		"observe.block.txs":      {"txs: .txs", "txs: .time"},
		"a list of texts":        {"txs: .txs", `txs: "[1]"`},
		"hash: error":            {"hash: .hash", `hash: 'error("hash: error")'`},
		"parent: error":          {"parent: .parent", `parent: 'error("parent: error")'`},
		"time: error":            {"time: .time", `time: 'error("time: error")'`},
		"proposer: error":        {"proposer: .by", `proposer: 'error("proposer: error")'`},
		"txs: error":             {"txs: .txs", `txs: 'error("txs: error")'`},
	} {
		w := newWorld(t, 1, parse(t, plain, replace...))
		w.toys[0].set(1, "p")
		_, err := w.poll(t.Context(), "a")
		if err == nil {
			t.Errorf("%s: no error", what)
			continue
		}
		for _, want := range []string{"block at height 1", what, "toy.yaml:20:", `"x-p"`} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in %v", what, want, err)
			}
		}
	}
}
