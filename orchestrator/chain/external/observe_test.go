package external

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestReader_Block(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	w.fakes[0].set(1, "p")
	w.fakes[0].by["p"] = "0x" + strings.ToUpper(w.net.nodes[0].account)
	events := must.Get(w.poll(t.Context(), "a"))(t)
	b, s := events[0].Block, events[1].Seen
	if b.Hash != "x-p" || b.Parent != "x-g" || b.Height != 1 || b.Time.Unix() != 1_700_000_001 ||
		b.Producer != w.net.nodes[0].account || !slices.Equal(b.Txs, []trace.Hash{"0xab1"}) {
		t.Errorf("%+v", b)
	}
	if s.Hash != "x-p" || s.Parent != "x-g" || s.Height != 1 || !s.Made {
		t.Errorf("%+v", s)
	}
}

func TestReader_BlockAtHeightByHash(t *testing.T) {
	w := hashed(t)
	w.fakes[0].set(1, "p", "q", "r")
	n := w.net.nodes[0]
	if b, err := w.reader.block(t.Context(), n, 1); err != nil || b.Hash != "x-p" {
		t.Errorf("%+v, %v", b, err)
	}
	must.Fail(t, "")(w.reader.block(t.Context(), n, 4))
	w.polled("a")
	w.store.body = nil
	if b, err := w.Client("a").Block(t.Context(), trace.Hash("x-q")); err != nil || b.Height != 2 {
		t.Errorf("%+v, %v", b, err)
	}
}

// TestReader_BlockErrors: odd times and endless texts of a node are errors about its answer, with the place of
// the query; none of them gets as far as the trace, whose failure would be the run's.
func TestReader_BlockErrors(t *testing.T) {
	long := strings.Repeat("ab", maxHash)
	for name, x := range map[string]struct{ old, put, want string }{
		"an error":             {"hash: .hash", `hash: 'error("not now")'`, "observe.block.hash: jq error(\"not now\") fails: error: not now; the reply was {"},
		"a number in a list":   {"txs: .txs", `txs: "[1]"`, "which is not a list of texts; the reply was {"},
		"a time after 9999":    {"time: .time", "time: '253402300800'", "observe.block.time: jq 253402300800 gives 253402300800, which is not unix seconds"},
		"a date before year 1": {"time: .time", `time: '"0000-01-01T00:00:00Z"'`, "which is not unix seconds"},
		"9999, but not in UTC": {"time: .time", `time: '"9999-12-31T23:59:59-01:00"'`, "which is not unix seconds"},
		"hash":                 {"hash: .hash", `hash: '"ab" * 1024'`, "observe.block.hash: jq \"ab\" * 1024 gives abab"},
		"parent":               {"parent: .parent", `parent: '"ab" * 1024'`, "..., which is not a hash of at most 1024 bytes"},
		"proposer":             {"proposer: .by", `proposer: '"ab" * 1024'`, "which is not a text of at most 1024 bytes"},
		"transaction":          {"txs: .txs", `txs: '["ab" * 1024]'`, "which is not a list of texts of at most 1024 bytes"},
		"transactions":         {"txs: .txs", `txs: '("\u0001" * 1000) as $x | [range(2000) | $x]'`, "which is not a list of texts of at most 1024 bytes, 8388608 together"},
		"head":                 {"head: {call: head, jq: .}", `head: {call: head, jq: '"ab" * 1024'}`, "observe.head: jq \"ab\" * 1024 gives abab"},
	} {
		w := newHarness(t, 1, parse(t, plain, x.old, x.put))
		w.fakes[0].set(1, "p", "q")
		_, err := w.poll(t.Context(), "a")
		var answer *AnswerError
		if !errors.As(err, &answer) || answer.Node != "a" || !strings.Contains(err.Error(), x.want) ||
			strings.Contains(err.Error(), "block at height 1: ") == (name == "head") || !strings.HasPrefix(answer.At, "toy.yaml:") {
			t.Errorf("%s: %v", name, err)
		} else if len(err.Error()) > 2000 {
			t.Errorf("%s: the message has %d bytes", name, len(err.Error()))
		}
	}
	w := newHarness(t, 1, parse(t, plain, "jq: .id", "jq: '.id * 1024'"))
	must.Fail(t, "which is not a transaction's id of at most 1024 bytes")(w.Client("a").Transfer(t.Context(), "a", 1))
	n := w.nodes["a"].maker
	many := make([]any, 10*maxMade)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	n.note(append([]any{long}, many...))
	if n.made[trace.Hash(long)] || len(n.made) >= maxMade {
		t.Errorf("%d blocks are noted as made by one command", len(n.made))
	}
}

// TestReader_LargestBlockFitsTrace: what the bounds let through can be written down, whatever its characters are.
func TestReader_LargestBlockFitsTrace(t *testing.T) {
	for _, c := range []string{"a", "\x01", "\u2028", "é", `"`} {
		id := strings.Repeat(c, maxHash/len(c))
		list := slices.Repeat([]any{id}, maxTxs/onLine(id))
		var b trace.Block
		if want := setTxs(&b, append(list, id)); want == "" {
			t.Errorf("%q: %d ids are not too many", c, len(list)+1)
		}
		if want := setTxs(&b, list); want != "" {
			t.Fatal(want)
		}
		b.Hash, b.Parent, b.Producer = trace.Hash(id), trace.Hash(id), id
		b.Time, _ = moment("9999-12-31T23:59:59.999999999Z")
		out := must.Get(trace.NewWriter(io.Discard))(t)
		if err := out.Append(&trace.Event{Kind: trace.KindBlock, Block: &b}); err != nil {
			t.Errorf("%q: %v", c, err)
		}
		if err := out.Append(&trace.Event{Kind: trace.KindSeen, Node: "a", Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent}}); err != nil {
			t.Errorf("%q: %v", c, err)
		}
	}
}

func TestReader_Leader(t *testing.T) {
	file := parse(t, plain, "  make_block:", "  leader: {call: who, jq: '.said[0]'}\n  make_block:",
		"calls:\n", "calls:\n  who: {method: echo, params: [\"{{.Node.Role}}\"]}\n",
		"keys: {account: secp256k1,", "keys: {account: secp256k1, sign: ed25519,")
	w := newHarness(t, 3, file)
	if w.Capabilities().Leader == nil {
		t.Fatal("nobody leads")
	}
	keys := w.nodes["b"].member.data["Keys"].(map[string]Key)
	account, sign := keys["account"], keys["sign"]
	address, _ := account.AddressHex()
	for _, x := range []struct{ named, want string }{
		{address, "b"},
		{"0x" + strings.ToUpper(address), "b"},
		{hex.EncodeToString(sign.Public), "b"},
		{strings.ToUpper(hex.EncodeToString(account.Public)), "b"},
		{base64.StdEncoding.EncodeToString(sign.Public), "b"},
		{"c", "c"},
		{strings.ToLower(base64.StdEncoding.EncodeToString(sign.Public)), ""},
		{hex.EncodeToString(keys["salt"].Private), ""},
		{"nobody", ""},
		{"", ""},
	} {
		w.nodes["a"].member.data["Role"] = x.named
		leader, err := w.leader(t.Context(), "a")
		if string(leader) != x.want || (err == nil) != (x.want != "") {
			t.Errorf("%q leads: %q, %v", x.named, leader, err)
		}
		// Makers of blocks are found in the same way.
		if got := w.net.producer(x.named); x.want != "" && got != w.nodes[leader].member.account {
			t.Errorf("%q made a block: %q", x.named, got)
		}
	}
	must.Fail(t, "has no node nobody")(w.leader(t.Context(), "nobody"))
}
