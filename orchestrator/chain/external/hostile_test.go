package external

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// TestWhatNoTraceCanHoldIsAnError: odd times and endless texts of a node are errors about its answer, with the place of
// the query; none of them gets as far as the trace, whose failure would be the run's.
func TestWhatNoTraceCanHoldIsAnError(t *testing.T) {
	long := strings.Repeat("ab", maxHash)
	for name, x := range map[string]struct{ old, put, want string }{
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
		w := newWorld(t, 1, parse(t, plain, x.old, x.put))
		w.toys[0].set(1, "p", "q")
		_, err := w.poll(t.Context(), "a")
		var answer *AnswerError
		if !errors.As(err, &answer) || answer.Node != "a" || !strings.Contains(err.Error(), x.want) || !strings.HasPrefix(answer.At, "toy.yaml:") {
			t.Errorf("%s: %v", name, err)
		} else if len(err.Error()) > 2000 {
			t.Errorf("%s: the message has %d bytes", name, len(err.Error()))
		}
	}
	w := newWorld(t, 1, parse(t, plain, "jq: .id", "jq: '.id * 1024'"))
	if _, err := w.Client("a").Transfer(t.Context(), "a", 1); err == nil || !strings.Contains(err.Error(), "which is not a transaction's id of at most 1024 bytes") {
		t.Error(err)
	}
	n := w.order[0]
	many := make([]any, 10*maxMade)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	n.madeHere(append([]any{long}, many...))
	if n.made[trace.Hash(long)] || len(n.made) >= maxMade {
		t.Errorf("%d blocks are noted as made by one command", len(n.made))
	}
}

// TestTheLargestBlockFitsTheTrace: what the bounds let through can be written down, whatever its characters are.
func TestTheLargestBlockFitsTheTrace(t *testing.T) {
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
		out, err := trace.NewWriter(io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Append(&trace.Event{Kind: trace.KindBlock, Block: &b}); err != nil {
			t.Errorf("%q: %v", c, err)
		}
		if err := out.Append(&trace.Event{Kind: trace.KindSeen, Node: "a", Seen: &trace.Seen{Hash: b.Hash, Parent: b.Parent}}); err != nil {
			t.Errorf("%q: %v", c, err)
		}
	}
}

// heavy is a chain each of whose blocks takes some MiB; what is between is the sizes that follow.
func heavy(t *testing.T, replace ...string) *world {
	return newWorld(t, 1, parse(t, plain, append([]string{
		"txs: .txs", `txs: '.hash as $h | ("t" * 1000) as $x | [range(5000) | $h + $x]'`,
	}, replace...)...))
}

// TestBodiesAreBoundedByTheirBytes: blocks that are few and large are not all kept.
func TestBodiesAreBoundedByTheirBytes(t *testing.T) {
	b := newBlocks()
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

// TestOneLookIsBoundedByBytes: a look at heavy blocks ends early, and the next goes on.
func TestOneLookIsBoundedByBytes(t *testing.T) {
	w := heavy(t)
	w.toys[0].set(1, words("p", 20)...)
	events, err := w.poll(t.Context(), "a")
	if !errors.Is(err, chain.ErrMoreBlocks) {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if n := w.toys[0].count("block"); n < 2 || n > 6 {
		t.Errorf("%d blocks of 5 MB were read in one look", n)
	}
	for errors.Is(err, chain.ErrMoreBlocks) {
		events, err = w.poll(t.Context(), "a")
	}
	if err != nil || events[len(events)-1].Head.Height != 20 {
		t.Errorf("%v", err)
	}
}

// TestTheWayDownIsBoundedByBytes: so is what is kept on the way down to a block that is known.
func TestTheWayDownIsBoundedByBytes(t *testing.T) {
	w := heavy(t, `block: {method: block, params: ["{{int .Height}}"]}`, `block: {method: of, params: ["{{.Hash}}"]}`,
		"height: {call: height, jq: .}", "height: {call: height, jq: '. + 900000'}")
	w.order[0].walk = walk{begun: true, hashes: []trace.Hash{""}}
	w.toys[0].endless = true
	for range 10 {
		_, err := w.poll(t.Context(), "a")
		if !errors.Is(err, chain.ErrMoreBlocks) {
			if err == nil || !strings.Contains(err.Error(), "below its head at height 900000 is known; they take") || w.order[0].below != nil {
				t.Errorf("%v, %d kept", err, len(w.order[0].below))
			}
			return
		}
		if w.order[0].belowBytes > maxBelowBytes+16<<20 {
			t.Fatalf("%d bytes are kept", w.order[0].belowBytes)
		}
	}
	t.Error("goes on and on")
}
