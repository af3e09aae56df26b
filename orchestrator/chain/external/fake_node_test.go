package external

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// fakeNode is a node of a chain whose blocks are words: a block's hash is "x-" and its word, its height its place.
type fakeNode struct {
	mu    sync.Mutex
	chain []string          // words, of block 0 on
	by    map[string]string // makers of words
	calls map[string]int    // how often each method was called
	// hook, if not nil, is called before each answer, with the node locked; what it returns, if not nil, is the error.
	hook         func(y *fakeNode, method string, height int) *RPCError
	lie, endless bool     // it answers "of" with another block, with blocks down to no beginning
	final        int      // the height that it calls final
	sent         []string // parameters of send and connect
	// takes makes every block list all that was sent so far.
	takes bool
	coins []string // what it says of what can be spent, each as JSON
}

// set replaces the chain from a height on.
func (y *fakeNode) set(from int, words ...string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.replace(from, words...)
}

func (y *fakeNode) replace(from int, words ...string) {
	y.chain = append(y.chain[:from:from], words...)
}

// words are n words that begin with a prefix.
func words(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return out
}

func (y *fakeNode) hash(height int) any {
	for height > 0 && y.chain[height] == skippedHeight {
		height--
	}
	if height < 0 {
		return nil
	}
	return "x-" + y.chain[height]
}

// skippedHeight is the word for a height without a block. None may be the last one of a chain.
const skippedHeight = "-"

// txs are what a block lists.
func (y *fakeNode) txs(height int) []string {
	out := []string{"0xAB" + fmt.Sprint(height)}
	for i := range 3 {
		if y.takes {
			out = append(out, fmt.Sprintf("0xT%d", i+1))
		}
	}
	return out
}

// count returns how often a method was called since the last count.
func (y *fakeNode) count(method string) int {
	y.mu.Lock()
	defer y.mu.Unlock()
	n := y.calls[method]
	y.calls[method] = 0
	return n
}

// ServeHTTP speaks JSON-RPC 2.
func (y *fakeNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		ID     json.RawMessage
		Method string
		Params []any
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	y.mu.Lock()
	result, failed := y.answer(q.Method, q.Params)
	y.mu.Unlock()
	out := map[string]any{"jsonrpc": "2.0", "id": q.ID, "result": result}
	if failed != nil {
		out = map[string]any{"jsonrpc": "2.0", "id": q.ID, "error": map[string]any{"code": failed.Code, "message": failed.Message}}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (y *fakeNode) answer(method string, params []any) (any, *RPCError) {
	height := -1
	if len(params) > 0 {
		if h, ok := params[0].(float64); ok {
			height = int(h)
		}
	}
	y.calls[method]++
	if y.hook != nil {
		if err := y.hook(y, method, height); err != nil {
			return nil, err
		}
	}
	top := len(y.chain) - 1
	switch method {
	case "height":
		return top, nil
	case "head":
		return y.hash(top), nil
	case "status":
		return map[string]any{"height": top, "hash": y.hash(top), "ready": top > 0}, nil
	case "peers":
		return 2, nil
	case "coins":
		return json.RawMessage("[" + strings.Join(y.coins, ",") + "]"), nil
	case "final":
		return y.final, nil
	case "block":
		if height < 0 || height > top || y.chain[height] == skippedHeight {
			return nil, &RPCError{Code: -8, Message: "no such height"}
		}
		return map[string]any{
			"hash": y.hash(height), "parent": y.hash(height - 1), "time": 1_700_000_000 + height,
			"by": y.by[y.chain[height]], "txs": y.txs(height),
		}, nil
	case "of":
		word, _ := strings.CutPrefix(params[0].(string), "x-")
		height := slices.Index(y.chain, word)
		switch {
		case y.lie:
			height = 0
		case y.endless:
			return map[string]any{"hash": params[0], "parent": fmt.Sprint("x-", y.calls[method]), "time": 1_700_000_000}, nil
		case height < 0:
			return nil, &RPCError{Code: -5, Message: "no such block"}
		}
		return map[string]any{"hash": y.hash(height), "parent": y.hash(height - 1), "time": 1_700_000_000 + height, "txs": y.txs(height)}, nil
	case "echo":
		return map[string]any{"long": strings.Repeat("x", maxShown-60), "said": params}, nil
	case "generate":
		y.chain = append(y.chain, fmt.Sprintf("made%d", top+1))
		return []any{y.hash(top + 1)}, nil
	case "busy":
		return "busy", nil
	case "send", "connect":
		y.sent = append(y.sent, fmt.Sprint(params...))
		return map[string]any{"id": fmt.Sprintf("0xT%d", len(y.sent))}, nil
	}
	return nil, &RPCError{Code: -32601, Message: "no such method"}
}

// failing makes a fake node answer a method with an error.
func failing(method string, code int64) func(*fakeNode, string, int) *RPCError {
	return func(_ *fakeNode, m string, _ int) *RPCError {
		if m == method {
			return &RPCError{Code: code, Message: "no"}
		}
		return nil
	}
}

// brief writes events in short: "+w1" for a body, "w1" for a seen block ("!w1" for one that the node made), and
// "head 4 w1 (was w0, dropped 2)".
func brief(events []trace.Event) string {
	word := func(h trace.Hash) string { return strings.TrimPrefix(string(h), "x-") }
	var out []string
	for _, e := range events {
		switch e.Kind {
		case trace.KindBlock:
			out = append(out, "+"+word(e.Block.Hash))
		case trace.KindSeen:
			made := ""
			if e.Seen.Made {
				made = "!"
			}
			out = append(out, made+word(e.Seen.Hash))
		case trace.KindHead:
			s := fmt.Sprintf("head %d %s (was %s", e.Head.Height, word(e.Head.Hash), word(e.Head.Old))
			if e.Head.Dropped > 0 {
				s += fmt.Sprintf(", dropped %d", e.Head.Dropped)
			}
			out = append(out, s+")")
		case trace.KindFinal:
			out = append(out, fmt.Sprintf("final %d %s", e.Final.Height, word(e.Final.Hash)))
		}
	}
	return strings.Join(out, " ")
}
