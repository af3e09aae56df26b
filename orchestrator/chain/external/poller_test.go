package external

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// variants are replacements in plain for stories of nodes that show other things.
var variants = map[string][]string{
	"":             nil,
	"by hash":      {`block: {method: block, params: ["{{int .Height}}"]}`, `block: {method: of, params: ["{{.Hash}}"]}`},
	"another head": {"head: {call: head, jq: .}", `head: {call: head, jq: '. + "!"'}`},
	"no block 0": {"head: {call: head, jq: .}", `head: {call: head, jq: 'if . == "x-g" then "" else . end'}`,
		"parent: .parent", `parent: 'if .parent == "x-g" then "" else .parent end'`},
	"final": {"  peers: {call: peers", "  finalized: {call: final, jq: .}\n  peers: {call: peers",
		"  peers: {method: peers}", "  peers: {method: peers}\n  final: {method: final}"},
	"final by height": {"  peers: {call: peers", "  finalized: {call: height, jq: 'if . > 2 then . - 2 else null end'}\n  peers: {call: peers"},
	"no final":        {"  peers: {call: peers", "  finalized: {call: head, jq: .}\n  peers: {call: peers"},
}

// TestPoller runs the stories of testdata/poller.txt.
func TestPoller(t *testing.T) {
	text := must.Get(os.ReadFile("testdata/poller.txt"))(t)
	for _, story := range strings.Split(string(text), "\n== ")[1:] {
		title, script, _ := strings.Cut(story, "\n")
		name, variant, _ := strings.Cut(strings.TrimSuffix(title, ")"), " (")
		t.Run(name, func(t *testing.T) {
			replace, ok := variants[variant]
			if !ok {
				t.Fatalf("there is no variant %q", variant)
			}
			w := newHarness(t, 2, parse(t, plain, replace...))
			for line := range strings.Lines(script) {
				if line = strings.TrimSuffix(line, "\n"); line != "" {
					w.play(t, line)
				}
			}
		})
	}
}

// play carries out one line of a story.
func (w *harness) play(t *testing.T, line string) {
	f := strings.Fields(line)
	id := faults.NodeID(strings.TrimSuffix(f[1], ":"))
	y := w.fakes[id[0]-'a']
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return n
	}
	onRequest := func(do func(y *fakeNode) *RPCError) {
		y.hook = func(y *fakeNode, method string, height int) *RPCError {
			if method == f[2] && (f[3] == "-" || number(f[3]) == height) {
				return do(y)
			}
			return nil
		}
	}
	switch f[0] {
	case "chain":
		y.set(number(f[2]), chainWords(f[3:])...)
	case "before":
		onRequest(func(y *fakeNode) *RPCError {
			chain := f[5:]
			if final, ok := strings.CutPrefix(chain[len(chain)-1], "final="); ok {
				y.final, chain = number(final), chain[:len(chain)-1]
			}
			y.replace(number(f[4]), chain...)
			y.hook = nil
			return nil
		})
	case "final":
		y.final = number(f[2])
	case "refuse":
		onRequest(func(*fakeNode) *RPCError { return &RPCError{Code: -1, Message: "busy"} })
	case "accept":
		y.hook = nil
	case "reads":
		if n := y.count(f[2]); n != number(f[3]) {
			t.Errorf("%s: %d", line, n)
		}
	case "poll":
		events, err := w.poll(t.Context(), id)
		how, want, _ := strings.Cut(line, ":")
		want = strings.TrimPrefix(want, " ")
		switch {
		case strings.HasSuffix(how, " error"):
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", line, err)
			}
			return
		case strings.HasSuffix(how, " more") != errors.Is(err, chain.ErrMoreBlocks), err != nil && !errors.Is(err, chain.ErrMoreBlocks):
			t.Errorf("%s: error %v", line, err)
		}
		got := brief(events)
		before, after, any := strings.Cut(want, "...")
		if got != want && !(any && strings.HasPrefix(got, before) && strings.HasSuffix(got, after)) {
			t.Errorf("%s\n got %s", line, got)
		}
	default:
		t.Fatalf("what is %s?", line)
	}
}

// chainWords expands p*3 to p0 p1 p2.
func chainWords(list []string) (out []string) {
	for _, w := range list {
		if prefix, n, ok := strings.Cut(w, "*"); ok {
			count, _ := strconv.Atoi(n)
			out = append(out, words(prefix, count)...)
		} else {
			out = append(out, w)
		}
	}
	return out
}

// hashed is plain as a chain that gives blocks by hash alone.
func hashed(t *testing.T) *harness {
	return newHarness(t, 1, parse(t, plain, `block: {method: block, params: ["{{int .Height}}"]}`, `block: {method: of, params: ["{{.Hash}}"]}`))
}

func TestPoller_ByHashWrongBlock(t *testing.T) {
	w := hashed(t)
	w.fakes[0].set(1, "p")
	w.fakes[0].lie = true
	must.Fail(t, "which is not the requested hash")(w.poll(t.Context(), "a"))
}

// TestPoller_ByHashEndlessChain: a node that claims any height gets no memory for it.
func TestPoller_ByHashEndlessChain(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain, `block: {method: block, params: ["{{int .Height}}"]}`, `block: {method: of, params: ["{{.Hash}}"]}`,
		"height: {call: height, jq: .}", "height: {call: height, jq: '. + 900000'}"))
	w.poller(0).begun, w.poller(0).hashes = true, []trace.Hash{""}
	w.fakes[0].endless = true
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

func TestPoller_DeepFork(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	w.fakes[0].set(1, words("p", 900)...)
	for w.polled("a") != "" {
	}
	w.fakes[0].count("block")
	w.fakes[0].set(101, words("q", 801)...)
	events, err := w.poll(t.Context(), "a")
	if !errors.Is(err, chain.ErrMoreBlocks) {
		t.Fatal(err)
	}
	if h := events[len(events)-1].Head; h.Dropped != 800 || h.Height != 300 {
		t.Errorf("%+v", h)
	}
	if n := w.fakes[0].count("block"); n > maxPoll+25 {
		t.Errorf("%d blocks were read for it", n)
	}
	for w.polled("a") != "" {
	}
	if w.poller(0).top() != 901 {
		t.Errorf("ends at %d", w.poller(0).top())
	}
}

func TestPoller_ReorgTwiceWhileReading(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	w.fakes[0].set(1, "p", "q")
	w.polled("a")
	w.fakes[0].set(3, "r")
	turn := 0
	w.fakes[0].hook = func(y *fakeNode, method string, height int) *RPCError {
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
}

// TestPoller_RandomHistories lets several nodes wander over a tree of blocks and checks that the events tell where each is; with
// every height used, and with some skipped.
func TestPoller_RandomHistories(t *testing.T) {
	t.Run("dense", func(t *testing.T) { wander(t, false) })
	t.Run("skipping", func(t *testing.T) { wander(t, true) })
}

func wander(t *testing.T, skips bool) {
	const nodes = 4
	w := newHarness(t, nodes, parse(t, plain))
	var group sync.WaitGroup
	for i := range nodes {
		id := faults.NodeID(rune('a' + i))
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		group.Go(func() {
			chain, seen := []string{"g"}, make(map[trace.Hash]trace.Hash)
			for range 60 {
				from := max(1, len(chain)-rng.IntN(5))
				chain = chain[:from:from]
				below := func(h int) string { // the last block below a height
					for h--; chain[h] == skippedHeight; h-- {
					}
					return chain[h]
				}
				for range rng.IntN(6) {
					if skips && rng.IntN(3) == 0 {
						chain = append(chain, skippedHeight)
					}
					// A word names its whole past, so that a block has one parent, and its height.
					chain = append(chain, fmt.Sprintf("%s%d.%d", below(len(chain)), len(chain)%10, rng.IntN(2)))
				}
				for chain[len(chain)-1] == skippedHeight {
					chain = chain[:len(chain)-1]
				}
				w.fakes[i].set(0, chain...)
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
					if chain[h] != skippedHeight && seen[trace.Hash("x-"+chain[h])] != trace.Hash("x-"+below(h)) {
						t.Errorf("%s did not see %s on its parent", id, chain[h])
					}
				}
			}
		})
	}
	group.Wait()
}

// heavy is a chain each of whose blocks takes some MiB; what is between is the sizes that follow.
func heavy(t *testing.T, replace ...string) *harness {
	return newHarness(t, 1, parse(t, plain, append([]string{
		"txs: .txs", `txs: '.hash as $h | ("t" * 1000) as $x | [range(5000) | $h + $x]'`,
	}, replace...)...))
}

// TestPoller_BytesPerPoll: a poll of large blocks ends early, and the next goes on.
func TestPoller_BytesPerPoll(t *testing.T) {
	w := heavy(t)
	w.fakes[0].set(1, words("p", 20)...)
	events, err := w.poll(t.Context(), "a")
	if !errors.Is(err, chain.ErrMoreBlocks) {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if n := w.fakes[0].count("block"); n < 2 || n > 6 {
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
	w.fakes[0].endless = true
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
