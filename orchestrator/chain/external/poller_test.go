package external

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// TestPoller tells stories of one node; each chapter replaces the chain from a height on and says what the look shows.
func TestPoller(t *testing.T) {
	type chapter struct {
		from  int
		words string
		want  string
	}
	for _, c := range []struct {
		name     string
		chapters []chapter
	}{
		{"growth", []chapter{
			{1, "", "head 0 g (was )"},
			{1, "", ""},
			{1, "p", "+p p head 1 p (was g)"},
			{2, "q r", "+q q +r r head 3 r (was p)"},
			{4, "", ""},
		}},
		{"nodes that began long ago", []chapter{{1, "p q", "+p p +q q head 2 q (was )"}}},
		{"a longer branch", []chapter{
			{1, "p q r", "+p p +q q +r r head 3 r (was )"},
			{2, "s t u", "+s s +t t +u u head 4 u (was r, dropped 2)"},
		}},
		{"a branch of the same height", []chapter{
			{1, "p q", "+p p +q q head 2 q (was )"},
			{2, "s", "+s s head 2 s (was q, dropped 1)"},
		}},
		{"a shorter branch", []chapter{
			{1, "p q r s", "+p p +q q +r r +s s head 4 s (was )"},
			{2, "z", "+z z head 2 z (was s, dropped 3)"},
		}},
		{"everything is replaced", []chapter{
			{1, "p q", "+p p +q q head 2 q (was )"},
			{0, "h y z", "+y y +z z head 2 z (was q, dropped 2)"},
		}},
		{"back to a branch that was left", []chapter{
			{1, "p q", "+p p +q q head 2 q (was )"},
			{1, "y z", "+y y +z z head 2 z (was q, dropped 2)"},
			{1, "p q r", "+r r head 3 r (was z, dropped 2)"},
		}},
		{"a node that came back with less, and caught up", []chapter{
			{1, "p q r", "+p p +q q +r r head 3 r (was )"},
			{2, "", "head 1 p (was r, dropped 2)"},
			{2, "q r s", "+s s head 4 s (was p)"},
		}},
		{"a node that came back with less, and went elsewhere", []chapter{
			{1, "p q r", "+p p +q q +r r head 3 r (was )"},
			{2, "", "head 1 p (was r, dropped 2)"},
			{1, "y z", "+y y +z z head 2 z (was p, dropped 1)"},
		}},
		{"a node that came back with nothing", []chapter{
			{1, "p q", "+p p +q q head 2 q (was )"},
			{1, "", "head 0 g (was q, dropped 2)"},
			{1, "p", "head 1 p (was g)"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, parse(t, plain))
			for i, x := range c.chapters {
				w.toys[0].set(x.from, strings.Fields(x.words)...)
				if got := w.polled("a"); got != x.want {
					t.Errorf("chapter %d: %s\nwant %s", i, got, x.want)
				}
			}
		})
	}
}

// hashed is plain as a chain that gives blocks by hash alone.
func hashed(t *testing.T) *world {
	return newWorld(t, 1, parse(t, plain, `block: {method: block, params: ["{{int .Height}}"]}`, `block: {method: of, params: ["{{.Hash}}"]}`))
}

// TestPoller_ByHash tells stories of a node that knows no block by its height.
func TestPoller_ByHash(t *testing.T) {
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
				if got := w.polled("a"); got != x.want {
					t.Errorf("chapter %d: %s\nwant %s", i, got, x.want)
				}
				if n := w.toys[0].count("of"); n != x.read {
					t.Errorf("chapter %d: %d blocks were read, want %d", i, n, x.read)
				}
			}
		})
	}
}

func TestPoller_ByHashLongChain(t *testing.T) {
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
	if got, want := w.polled("a"), "+x x +y y +z z head 453 z (was p449)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPoller_ByHashWrongBlock(t *testing.T) {
	w := hashed(t)
	w.toys[0].set(1, "p")
	w.toys[0].lie = true
	if _, err := w.poll(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "which is not the hash that was asked for") {
		t.Errorf("%v", err)
	}
}

// TestPoller_ByHashEndlessChain: a node that claims any height gets no memory for it.
func TestPoller_ByHashEndlessChain(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain, `block: {method: block, params: ["{{int .Height}}"]}`, `block: {method: of, params: ["{{.Hash}}"]}`,
		"height: {call: height, jq: .}", "height: {call: height, jq: '. + 900000'}"))
	w.poller(0).begun, w.poller(0).hashes = true, []trace.Hash{""}
	w.toys[0].endless = true
	for range 2 * maxBelow / maxPoll {
		_, err := w.poll(t.Context(), "a")
		if errors.Is(err, chain.ErrMoreBlocks) {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("none of the %d blocks below its head", maxBelow)) || len(w.poller(0).below) > 0 {
			t.Errorf("%v, %d kept", err, len(w.poller(0).below))
		}
		return
	}
	t.Error("goes on and on")
}

func TestPoller_BodyOncePerNetwork(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain))
	w.toys[0].set(1, "p", "q")
	w.toys[1].set(1, "p", "z")
	if got, want := w.polled("a"), "+p p +q q head 2 q (was )"; got != want {
		t.Errorf("a: %s, want %s", got, want)
	}
	if got, want := w.polled("b"), "p +z z head 2 z (was )"; got != want {
		t.Errorf("b: %s, want %s", got, want)
	}
}

func TestPoller_LongChain(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, words("p", 450)...)
	for i, want := range []uint64{200, 400, 450} {
		events, err := w.poll(t.Context(), "a")
		if errors.Is(err, chain.ErrMoreBlocks) != (i < 2) || i == 2 && err != nil {
			t.Fatal(err)
		}
		if h := events[len(events)-1].Head; h == nil || h.Height != want {
			t.Errorf("look %d ends with %+v", i, events[len(events)-1])
		}
	}
	if got := w.polled("a"); got != "" {
		t.Errorf("then comes %s", got)
	}
}

func TestPoller_DeepFork(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, words("p", 900)...)
	for w.polled("a") != "" {
	}
	w.toys[0].count("block")
	w.toys[0].set(101, words("q", 801)...)
	events, err := w.poll(t.Context(), "a")
	if !errors.Is(err, chain.ErrMoreBlocks) {
		t.Fatal(err)
	}
	if h := events[len(events)-1].Head; h.Dropped != 800 || h.Height != 300 {
		t.Errorf("%+v", h)
	}
	if n := w.toys[0].count("block"); n > maxPoll+25 {
		t.Errorf("%d blocks were read for it", n)
	}
	for w.polled("a") != "" {
	}
	if w.poller(0).top() != 901 {
		t.Errorf("ends at %d", w.poller(0).top())
	}
}

// TestPoller_ReadsPreviousHeadAgain: what the parents say is not believed alone.
func TestPoller_ReadsPreviousHeadAgain(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, "p", "q")
	w.polled("a")
	var read []int
	w.toys[0].hook = func(_ *toy, method string, height int) *RPCError {
		if method == "block" {
			read = append(read, height)
		}
		return nil
	}
	w.toys[0].set(3, "r")
	w.polled("a")
	if !slices.Equal(read, []int{2, 3}) {
		t.Errorf("read blocks at %v", read)
	}
}

// TestPoller_ReorgWhileReading: hooks change the chain just before certain blocks are read.
func TestPoller_ReorgWhileReading(t *testing.T) {
	t.Run("once", func(t *testing.T) {
		w := newWorld(t, 1, parse(t, plain))
		w.toys[0].set(1, "p", "q")
		w.polled("a")
		w.toys[0].set(3, "r")
		w.toys[0].hook = func(y *toy, method string, height int) *RPCError {
			if method == "block" && height == 3 {
				y.replace(2, "y", "z", "zz")
				y.hook = nil
			}
			return nil
		}
		if got, want := w.polled("a"), "+y y +z z head 3 z (was q, dropped 1)"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got, want := w.polled("a"), "+zz zz head 4 zz (was z)"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
	t.Run("between two new blocks", func(t *testing.T) {
		w := newWorld(t, 1, parse(t, plain))
		w.toys[0].set(1, "p", "q", "r")
		w.toys[0].hook = func(y *toy, method string, height int) *RPCError {
			if method == "block" && height == 3 {
				y.replace(2, "y", "z")
				y.hook = nil
			}
			return nil
		}
		if got, want := w.polled("a"), "+p p +q q head 2 q (was )"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got, want := w.polled("a"), "+y y +z z head 3 z (was q, dropped 1)"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
	t.Run("again and again", func(t *testing.T) {
		w := newWorld(t, 1, parse(t, plain))
		w.toys[0].set(1, "p", "q")
		w.polled("a")
		w.toys[0].set(3, "r")
		turn := 0
		w.toys[0].hook = func(y *toy, method string, height int) *RPCError {
			switch {
			case method != "block":
			case height == 3: // the fork was found at 2
				y.replace(2, "y", "z")
			case height == 2 && y.chain[2] == "y":
				if turn++; turn == 2 { // the fork was found at 1
					y.replace(1, "t", "u", "v")
				}
			}
			return nil
		}
		if _, err := w.poll(t.Context(), "a"); !errors.Is(err, errReplaced) || !strings.HasPrefix(err.Error(), "node a: ") {
			t.Errorf("%v", err)
		}
	})
}

func TestPoller_ErrorLosesNothing(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, "p", "q", "r")
	refuse := func(at int) {
		w.toys[0].mu.Lock()
		defer w.toys[0].mu.Unlock()
		w.toys[0].hook = func(_ *toy, method string, height int) *RPCError {
			if method == "block" && height == at || method == "head" && at < 0 {
				return &RPCError{Code: -1, Message: "busy"}
			}
			return nil
		}
	}
	refuse(1)
	if _, err := w.poll(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "error -1: busy") {
		t.Errorf("%v", err)
	}
	refuse(3)
	if got, want := w.polled("a"), "+p p +q q head 2 q (was )"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	refuse(-1)
	if _, err := w.poll(t.Context(), "a"); err == nil {
		t.Error("no error")
	}
	refuse(0)
	if got, want := w.polled("a"), "+r r head 3 r (was q)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	refuse(2)
	w.toys[0].set(2, "y", "z")
	if _, err := w.poll(t.Context(), "a"); err == nil {
		t.Error("no error while the fork is looked for")
	}
	if _, err := w.poll(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "no node nobody") {
		t.Errorf("%v", err)
	}
}

// TestPoller_HeadIsNotBlockAtItsHeight: else a chain file's mistake would look like a chain without end.
func TestPoller_HeadIsNotBlockAtItsHeight(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain, "head: {call: head, jq: .}", `head: {call: head, jq: '. + "!"'}`))
	w.toys[0].set(1, "p")
	_, err := w.poll(t.Context(), "a")
	if err == nil || !strings.Contains(err.Error(), "observe.head (toy.yaml:19:26) gives x-p! at height 1, observe.block.hash (toy.yaml:20:30) gives x-p there") {
		t.Errorf("%v", err)
	}
}

func TestPoller_NewHeadWhileReading(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, "p")
	w.toys[0].hook = func(y *toy, method string, height int) *RPCError {
		if method == "head" {
			y.replace(2, "q")
			y.hook = nil
		}
		return nil
	}
	if got, want := w.polled("a"), "+p p head 1 p (was )"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := w.polled("a"), "+q q head 2 q (was p)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPoller_StartsNearHeadOfTallChain(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain))
	all := words("p", 5000)
	w.toys[0].set(1, all...)
	w.toys[1].set(1, all[:4800]...)
	if got := w.polled("a"); !strings.HasPrefix(got, "+p4900 p4900 ") || !strings.HasSuffix(got, "head 5000 p4999 (was )") {
		t.Errorf("a: %s", got)
	}
	if got, want := w.polled("b"), "head 4800 p4799 (was )"; got != want {
		t.Errorf("b: %s, want %s", got, want)
	}
	w.toys[1].set(1, all[:4802]...)
	if got, want := w.polled("b"), "+p4800 p4800 +p4801 p4801 head 4802 p4801 (was p4799)"; got != want {
		t.Errorf("b: %s, want %s", got, want)
	}
	w.toys[1].set(1, all[:10]...)
	if got, want := w.polled("b"), "head 10 p9 (was p4801, dropped 4792)"; got != want {
		t.Errorf("b fell: %s, want %s", got, want)
	}
}

// TestPoller_NoBlock0 is CometBFT's: before the first block there is no head, and the first block has no parent.
func TestPoller_NoBlock0(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain,
		"head: {call: head, jq: .}", `head: {call: head, jq: 'if . == "x-g" then "" else . end'}`,
		"parent: .parent", `parent: 'if .parent == "x-g" then "" else .parent end'`))
	for range 2 {
		if got := w.polled("a"); got != "" {
			t.Errorf("before the first block: %s", got)
		}
	}
	w.toys[0].set(1, "p", "q")
	if got, want := w.polled("a"), "+p p +q q head 2 q (was )"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestPoller_RandomHistories lets several nodes wander over a tree of blocks and checks that the events tell where each is.
func TestPoller_RandomHistories(t *testing.T) {
	const nodes = 4
	w := newWorld(t, nodes, parse(t, plain))
	var group sync.WaitGroup
	for i := range nodes {
		id := faults.NodeID(rune('a' + i))
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		group.Go(func() {
			chain, seen := []string{"g"}, make(map[trace.Hash]trace.Hash)
			for range 60 {
				from := max(1, len(chain)-rng.IntN(5))
				chain = chain[:from:from]
				for range rng.IntN(6) {
					// A word names its whole past, so that a block has one parent.
					chain = append(chain, fmt.Sprintf("%s%d", chain[len(chain)-1], rng.IntN(2)))
				}
				w.toys[i].set(0, chain...)
				events, err := w.poll(t.Context(), id)
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range events {
					if s := e.Seen; s != nil {
						if _, twice := seen[s.Hash]; twice {
							t.Errorf("%s saw %s twice", id, s.Hash)
						}
						seen[s.Hash] = s.Parent
					}
				}
				if h := len(chain) - 1; w.poller(i).top() != uint64(h) || w.poller(i).hash(uint64(h)) != trace.Hash("x-"+chain[h]) {
					t.Errorf("%s is at %d, the walk at %d", id, h, w.poller(i).top())
				}
				for h := len(chain) - 1; h > 0; h-- {
					if seen[trace.Hash("x-"+chain[h])] != trace.Hash("x-"+chain[h-1]) {
						t.Errorf("%s did not see %s on its parent", id, chain[h])
					}
				}
			}
		})
	}
	group.Wait()
}

func TestPoller_Finalized(t *testing.T) {
	for _, c := range []struct{ name, file string }{
		{"a call of its own", "finalized: {call: final, jq: .}\n  peers:"},
		{"the call of the height", "finalized: {call: height, jq: 'if . > 2 then . - 2 else null end'}\n  peers:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, parse(t, plain, "peers: {call: peers", c.file+" {call: peers", "  peers: {method: peers}", "  peers: {method: peers}\n  final: {method: final}"))
			y := w.toys[0]
			y.set(1, "p", "q")
			if got, want := w.polled("a"), "+p p +q q head 2 q (was )"; got != want {
				t.Errorf("nothing is final: %s, want %s", got, want)
			}
			y.final = 2
			y.set(3, "r", "s")
			if got, want := w.polled("a"), "+r r +s s head 4 s (was q) final 2 q"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if got := w.polled("a"); got != "" {
				t.Errorf("nothing changed: %s", got)
			}
		})
	}
	t.Run("without a new head, and back", func(t *testing.T) {
		w := newWorld(t, 1, parse(t, plain, "peers: {call: peers", "finalized: {call: final, jq: .}\n  peers: {call: peers", "  peers: {method: peers}", "  peers: {method: peers}\n  final: {method: final}"))
		y := w.toys[0]
		y.set(1, "p", "q", "r")
		w.polled("a")
		for _, c := range []struct {
			final int
			want  string
		}{{3, "final 3 r"}, {2, "final 2 q"}, {9, "final 9 "}} { // the last is above its head: told as the node tells it
			y.final = c.final
			if got := w.polled("a"); got != c.want {
				t.Errorf("final %d: %q, want %q", c.final, got, c.want)
			}
		}
	})
	t.Run("no number", func(t *testing.T) {
		w := newWorld(t, 1, parse(t, plain, "peers: {call: peers", "finalized: {call: head, jq: .}\n  peers: {call: peers"))
		_, err := w.poll(t.Context(), "a")
		if err == nil || !strings.Contains(err.Error(), "observe.finalized: jq . gives x-g, which is not a whole number") {
			t.Errorf("%v", err)
		}
	})
}

// TestPoller_ReadsFinalHeightBeforeHead: what is final when it is asked for is on the chain that is read after it. A node that
// changes chains in between and calls the new block final has broken no promise.
func TestPoller_ReadsFinalHeightBeforeHead(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain, "peers: {call: peers", "finalized: {call: final, jq: .}\n  peers: {call: peers", "  peers: {method: peers}", "  peers: {method: peers}\n  final: {method: final}"))
	y := w.toys[0]
	y.set(1, "p")
	w.polled("a")
	y.set(2, "q")
	y.hook = func(y *toy, method string, _ int) *RPCError {
		if method == "height" {
			y.replace(2, "z", "zz")
			y.final = 2
			y.hook = nil
		}
		return nil
	}
	if got, want := w.polled("a"), "+z z +zz zz head 3 zz (was p)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := w.polled("a"), "final 2 z"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// heavy is a chain each of whose blocks takes some MiB; what is between is the sizes that follow.
func heavy(t *testing.T, replace ...string) *world {
	return newWorld(t, 1, parse(t, plain, append([]string{
		"txs: .txs", `txs: '.hash as $h | ("t" * 1000) as $x | [range(5000) | $h + $x]'`,
	}, replace...)...))
}

// TestPoller_BytesPerPoll: a look at heavy blocks ends early, and the next goes on.
func TestPoller_BytesPerPoll(t *testing.T) {
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

// TestPoller_ByHashBytes: so is what is kept on the way down to a block that is known.
func TestPoller_ByHashBytes(t *testing.T) {
	w := heavy(t, `block: {method: block, params: ["{{int .Height}}"]}`, `block: {method: of, params: ["{{.Hash}}"]}`,
		"height: {call: height, jq: .}", "height: {call: height, jq: '. + 900000'}")
	w.poller(0).begun, w.poller(0).hashes = true, []trace.Hash{""}
	w.toys[0].endless = true
	for range 10 {
		_, err := w.poll(t.Context(), "a")
		if !errors.Is(err, chain.ErrMoreBlocks) {
			if err == nil || !strings.Contains(err.Error(), "below its head at height 900000 is known; they take") || w.poller(0).below != nil {
				t.Errorf("%v, %d kept", err, len(w.poller(0).below))
			}
			return
		}
		if w.poller(0).belowBytes > maxBelowBytes+16<<20 {
			t.Fatalf("%d bytes are kept", w.poller(0).belowBytes)
		}
	}
	t.Error("goes on and on")
}
