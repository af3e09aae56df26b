package external

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
)

func TestFindMismatch(t *testing.T) {
	const (
		withGenesis = "peers: {call: peers, jq: .}\n  genesis: {call: block0, jq: '{hash, list: [1, .hash]}'}"
		block0      = "generate: {method: generate}\n  block0: {method: block, params: [0]}"
		final       = "family: bft, quorum: 2/3, fork_depth: 0"
	)
	for name, c := range map[string]struct {
		replace []string
		chains  []string // of each node, words of one letter
		node    faults.NodeID
		what    string
	}{
		"the same":                   {nil, []string{"gab", "gabc", "ga"}, "", ""},
		"another block 0":            {nil, []string{"gab", "hab", "ga"}, "b", "it is on another chain: block 0 is x-h on b and x-g on a, c"},
		"forks are no other chain":   {nil, []string{"gab", "gxy", "ga"}, "", ""},
		"final blocks do not fork":   {[]string{"family: pow, quorum: 0, fork_depth: 6", final}, []string{"gab", "gxy", "ga"}, "b", "it is on another chain: block 1 is x-x on b and x-a on a, c"},
		"another genesis":            {[]string{"peers: {call: peers, jq: .}", withGenesis, "generate: {method: generate}", block0}, []string{"ga", "ha", "ga"}, "b", "it has another genesis: hash is x-h on b and x-g on a, c"},
		"one node does not answer":   {nil, []string{"gab", "", "ga"}, "", ""},
		"it is the first":            {nil, []string{"h", "g", "g", "g", "g", "g", "g", "g"}, "a", "it is on another chain: block 0 is x-h on a and x-g on b, c, d, e, f, g, 1 more"},
		"nobody has a majority":      {nil, []string{"g", "h"}, "b", "it is on another chain: block 0 is x-h on b and x-g on a"},
		"a secret in what they give": {nil, []string{"g", "s"}, "b", "it is on another chain: block 0 is [secret] on b and x-g on a"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newHarness(t, len(c.chains), parse(t, plain, c.replace...))
			w.secrets.add("x-s-secret")
			for i, blocks := range c.chains {
				letters := strings.Split(blocks, "")
				for k, l := range letters {
					if l == "s" {
						letters[k] = "s-secret"
					}
				}
				w.fakes[i].set(0, letters...)
				if blocks == "" {
					w.fakes[i].hook = func(*fakeNode, string, int) *RPCError { return &RPCError{Code: -1, Message: "not now"} }
				}
			}
			var got chain.NetworkMismatch
			if m := w.reader.findMismatch(t.Context()); m != nil {
				got = *m
			}
			if got.Node != c.node || got.Text != c.what {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestDifference(t *testing.T) {
	object := func(kv ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		a, b any
		want string
	}{
		{"x", "y", "it: x, y"},
		{object("a", 1, "b", 2), object("a", 1, "b", 3), "b: 2, 3"},
		{object("a", object("b", []any{1, object("c", "x")})), object("a", object("b", []any{1, object("c", "y")})), "a.b[1].c: x, y"},
		{object("a", []any{1}), object("a", []any{1, 2}), "a: [1], [1,2]"},
		{object("a", []any{1}), object("a", "t"), "a: [1], t"},
		{object("a", 1), object("b", 1), "a: 1, null"},
		{object("b", 1), object("a", 1, "b", 1), "a: null, 1"},
		{[]any{1, 2}, []any{1, 3}, "[1]: 2, 3"},
	} {
		where, x, y := difference("", c.a, c.b)
		if got := fmt.Sprintf("%s: %s, %s", where, asText(x), asText(y)); got != c.want {
			t.Errorf("%v and %v: %s, want %s", c.a, c.b, got, c.want)
		}
	}
}
