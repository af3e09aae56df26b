package external

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// hashed is plain as a chain that gives blocks by hash alone.
func hashed(t *testing.T) *world {
	return newWorld(t, 1, parse(t, plain, `block: {method: block, params: ["{{int .Height}}"]}`, `block: {method: of, params: ["{{.Hash}}"]}`))
}

// TestLookByHash tells stories of a node that knows no block by its height.
func TestLookByHash(t *testing.T) {
	type chapter struct {
		from  int
		words string
		want  string
		read  int
	}
	for _, c := range []struct {
		name     string
		chapters []chapter
	}{
		{"growth", []chapter{
			{1, "", "head 0 g (was )", 0},
			{1, "p", "+p p head 1 p (was g)", 1},
			{2, "q r s", "+q q +r r +s s head 4 s (was p)", 3},
			{5, "", "", 0},
		}},
		{"reorgs between looks, down to the common ancestor", []chapter{
			{1, "p q r", "+p p +q q +r r head 3 r (was )", 3},
			{2, "s t u", "+s s +t t +u u head 4 u (was r, dropped 2)", 3},
			{3, "v", "+v v head 3 v (was u, dropped 2)", 1},
			{3, "t u w", "+w w head 5 w (was v, dropped 1)", 3},
			{3, "", "head 2 s (was w, dropped 3)", 0},
			{0, "h y", "+y y head 1 y (was s, dropped 2)", 1},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := hashed(t)
			for i, x := range c.chapters {
				w.toys[0].set(x.from, strings.Fields(x.words)...)
				w.toys[0].count("of")
				if got := w.look("a"); got != x.want {
					t.Errorf("chapter %d: %s\nwant %s", i, got, x.want)
				}
				if n := w.toys[0].count("of"); n != x.read {
					t.Errorf("chapter %d: %d blocks were read, want %d", i, n, x.read)
				}
			}
		})
	}
}

func TestALongChainByHashComesAtOnce(t *testing.T) {
	w := hashed(t)
	w.toys[0].set(1, words("p", 450)...)
	for i := range 2 {
		if events, err := w.poll(t.Context(), "a"); !errors.Is(err, chain.ErrMoreBlocks) || len(events) > 0 {
			t.Errorf("look %d: %s, %v", i, brief(events), err)
		}
	}
	events, err := w.poll(t.Context(), "a")
	if err != nil || len(events) != 901 || events[900].Head.Height != 450 {
		t.Errorf("%d events, %v", len(events), err)
	}
	if n := w.toys[0].count("of"); n != 450 {
		t.Errorf("%d blocks were read for it", n)
	}
	// An error on the way loses nothing.
	w.toys[0].set(451, "x", "y", "z")
	w.toys[0].hook = func(y *toy, method string, _ int) *RPCError {
		if method == "of" && y.calls["of"] == 2 {
			return &RPCError{Code: -1, Message: "busy"}
		}
		return nil
	}
	if _, err := w.poll(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "block x-y at height 452") || !strings.Contains(err.Error(), "busy") {
		t.Errorf("%v", err)
	}
	if got, want := w.look("a"), "+x x +y y +z z head 453 z (was p449)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestABlockOfAnotherHashIsAnError(t *testing.T) {
	w := hashed(t)
	w.toys[0].set(1, "p")
	w.toys[0].lie = true
	if _, err := w.poll(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "which is not the hash that was asked for") {
		t.Errorf("%v", err)
	}
}

// TestAChainWithoutEndByHash: a node that claims any height gets no memory for it.
func TestAChainWithoutEndByHash(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain, `block: {method: block, params: ["{{int .Height}}"]}`, `block: {method: of, params: ["{{.Hash}}"]}`,
		"height: {call: height, jq: .}", "height: {call: height, jq: '. + 900000'}"))
	w.order[0].walk = walk{begun: true, hashes: []trace.Hash{""}}
	w.toys[0].endless = true
	for range 2 * maxBelow / maxLook {
		_, err := w.poll(t.Context(), "a")
		if errors.Is(err, chain.ErrMoreBlocks) {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("none of the %d blocks below its head", maxBelow)) || len(w.order[0].below) > 0 {
			t.Errorf("%v, %d kept", err, len(w.order[0].below))
		}
		return
	}
	t.Error("goes on and on")
}

func TestBlocksByHeightOfAChainByHash(t *testing.T) {
	w := hashed(t)
	w.toys[0].set(1, "p", "q", "r")
	n := w.order[0]
	if b, err := w.block(t.Context(), n, 1); err != nil || b.Hash != "x-p" {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := w.block(t.Context(), n, 4); err == nil {
		t.Error("a block above the head")
	}
	w.look("a")
	w.seen = newBlocks()
	if b, err := w.Client("a").Block(t.Context(), trace.Hash("x-q")); err != nil || b.Height != 2 {
		t.Errorf("%+v, %v", b, err)
	}
}
