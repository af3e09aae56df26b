package external

import (
	"context"
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

// TestLook tells stories of one node; each chapter replaces the chain from a height on and says what the look shows.
func TestLook(t *testing.T) {
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
				if got := w.look("a"); got != x.want {
					t.Errorf("chapter %d: %s\nwant %s", i, got, x.want)
				}
			}
		})
	}
}

func TestABodyComesOnceOfAllNodes(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain))
	w.toys[0].set(1, "p", "q")
	w.toys[1].set(1, "p", "z")
	if got, want := w.look("a"), "+p p +q q head 2 q (was )"; got != want {
		t.Errorf("a: %s, want %s", got, want)
	}
	if got, want := w.look("b"), "p +z z head 2 z (was )"; got != want {
		t.Errorf("b: %s, want %s", got, want)
	}
}

func TestABlockIsReadAsTheFileSays(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, "p")
	w.toys[0].by["p"] = "0x" + strings.ToUpper(w.order[0].account)
	events, err := w.poll(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	b, s := events[0].Block, events[1].Seen
	if b.Hash != "x-p" || b.Parent != "x-g" || b.Height != 1 || b.Time.Unix() != 1_700_000_001 ||
		b.Producer != w.order[0].account || !slices.Equal(b.Txs, []trace.Hash{"0xab1"}) {
		t.Errorf("%+v", b)
	}
	if s.Hash != "x-p" || s.Parent != "x-g" || s.Height != 1 || !s.Made {
		t.Errorf("%+v", s)
	}
}

func TestABlockMadeOnCommandIsItsMakers(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain))
	if w.Capabilities().MakeBlock == nil {
		t.Fatal("does not produce")
	}
	if err := w.makeBlock(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	w.toys[1].set(1, "made1")
	if got, want := w.look("b"), "+made1 made1 head 1 made1 (was )"; got != want {
		t.Errorf("b: %s, want %s", got, want)
	}
	if got, want := w.look("a"), "!made1 head 1 made1 (was )"; got != want {
		t.Errorf("a: %s, want %s", got, want)
	}
}

// TestALookWaitsForTheMakersAnswer: the block is there before the node has said that it made it.
func TestALookWaitsForTheMakersAnswer(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	n := w.order[0]
	w.toys[0].set(1, "p")
	n.making <- struct{}{}
	w.toys[0].mu.Lock()
	read := make(chan struct{})
	w.toys[0].hook = func(y *toy, method string, height int) *RPCError {
		if method == "block" {
			close(read)
			y.hook = nil
		}
		return nil
	}
	w.toys[0].mu.Unlock()
	got := make(chan string)
	go func() { got <- w.look("a") }()
	<-read
	n.madeHere("x-p")
	<-n.making
	if s, want := <-got, "+p !p head 1 p (was )"; s != want {
		t.Errorf("%s, want %s", s, want)
	}
	n.making <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.makeBlock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("a second command at the same time: %v", err)
	}
}

func TestALongChainComesInParts(t *testing.T) {
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
	if got := w.look("a"); got != "" {
		t.Errorf("then comes %s", got)
	}
}

func TestADeepForkIsFoundInFewSteps(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, words("p", 900)...)
	for w.look("a") != "" {
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
	if n := w.toys[0].count("block"); n > maxLook+25 {
		t.Errorf("%d blocks were read for it", n)
	}
	for w.look("a") != "" {
	}
	if w.order[0].walk.top() != 901 {
		t.Errorf("ends at %d", w.order[0].walk.top())
	}
}

// TestThePreviousHeadIsReadAgain: what the parents say is not believed alone.
func TestThePreviousHeadIsReadAgain(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, "p", "q")
	w.look("a")
	var read []int
	w.toys[0].hook = func(_ *toy, method string, height int) *RPCError {
		if method == "block" {
			read = append(read, height)
		}
		return nil
	}
	w.toys[0].set(3, "r")
	w.look("a")
	if !slices.Equal(read, []int{2, 3}) {
		t.Errorf("read blocks at %v", read)
	}
}

// TestAChainThatIsReplacedWhileItIsRead: hooks change the chain just before certain blocks are read.
func TestAChainThatIsReplacedWhileItIsRead(t *testing.T) {
	t.Run("once", func(t *testing.T) {
		w := newWorld(t, 1, parse(t, plain))
		w.toys[0].set(1, "p", "q")
		w.look("a")
		w.toys[0].set(3, "r")
		w.toys[0].hook = func(y *toy, method string, height int) *RPCError {
			if method == "block" && height == 3 {
				y.replace(2, "y", "z", "zz")
				y.hook = nil
			}
			return nil
		}
		if got, want := w.look("a"), "+y y +z z head 3 z (was q, dropped 1)"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got, want := w.look("a"), "+zz zz head 4 zz (was z)"; got != want {
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
		if got, want := w.look("a"), "+p p +q q head 2 q (was )"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got, want := w.look("a"), "+y y +z z head 3 z (was q, dropped 1)"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
	t.Run("again and again", func(t *testing.T) {
		w := newWorld(t, 1, parse(t, plain))
		w.toys[0].set(1, "p", "q")
		w.look("a")
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
		if _, err := w.poll(t.Context(), "a"); !errors.Is(err, errMoved) || !strings.HasPrefix(err.Error(), "node a: ") {
			t.Errorf("%v", err)
		}
	})
}

func TestAnErrorOnTheWayLosesNothing(t *testing.T) {
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
	if got, want := w.look("a"), "+p p +q q head 2 q (was )"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	refuse(-1)
	if _, err := w.poll(t.Context(), "a"); err == nil {
		t.Error("no error")
	}
	refuse(0)
	if got, want := w.look("a"), "+r r head 3 r (was q)"; got != want {
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

// TestQueriesThatDoNotFitTogetherAreAnError: else a chain file's mistake would look like a chain without end.
func TestQueriesThatDoNotFitTogetherAreAnError(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain, "head: {call: head, jq: .}", `head: {call: head, jq: '. + "!"'}`))
	w.toys[0].set(1, "p")
	_, err := w.poll(t.Context(), "a")
	if err == nil || !strings.Contains(err.Error(), "observe.head (toy.yaml:19:26) gives x-p! at height 1, observe.block.hash (toy.yaml:20:30) gives x-p there") {
		t.Errorf("%v", err)
	}
}

func TestANodeThatGoesOnMeanwhileIsNoError(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, "p")
	w.toys[0].hook = func(y *toy, method string, height int) *RPCError {
		if method == "head" {
			y.replace(2, "q")
			y.hook = nil
		}
		return nil
	}
	if got, want := w.look("a"), "+p p head 1 p (was )"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := w.look("a"), "+q q head 2 q (was p)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestATallNetworkIsLookedAtFromNearItsHead(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain))
	all := words("p", 5000)
	w.toys[0].set(1, all...)
	w.toys[1].set(1, all[:4800]...)
	if got := w.look("a"); !strings.HasPrefix(got, "+p4900 p4900 ") || !strings.HasSuffix(got, "head 5000 p4999 (was )") {
		t.Errorf("a: %s", got)
	}
	if got, want := w.look("b"), "head 4800 p4799 (was )"; got != want {
		t.Errorf("b: %s, want %s", got, want)
	}
	w.toys[1].set(1, all[:4802]...)
	if got, want := w.look("b"), "+p4800 p4800 +p4801 p4801 head 4802 p4801 (was p4799)"; got != want {
		t.Errorf("b: %s, want %s", got, want)
	}
	w.toys[1].set(1, all[:10]...)
	if got, want := w.look("b"), "head 10 p9 (was p4801, dropped 4792)"; got != want {
		t.Errorf("b fell: %s, want %s", got, want)
	}
}

// TestAChainWithoutBlock0 is CometBFT's: before the first block there is no head, and the first block has no parent.
func TestAChainWithoutBlock0(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain,
		"head: {call: head, jq: .}", `head: {call: head, jq: 'if . == "x-g" then "" else . end'}`,
		"parent: .parent", `parent: 'if .parent == "x-g" then "" else .parent end'`))
	for range 2 {
		if got := w.look("a"); got != "" {
			t.Errorf("before the first block: %s", got)
		}
	}
	w.toys[0].set(1, "p", "q")
	if got, want := w.look("a"), "+p p +q q head 2 q (was )"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestHistoriesOfChance lets several nodes wander over a tree of blocks and checks that the events tell where each is.
func TestHistoriesOfChance(t *testing.T) {
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
				if h := len(chain) - 1; w.order[i].walk.top() != uint64(h) || w.order[i].walk.hash(uint64(h)) != trace.Hash("x-"+chain[h]) {
					t.Errorf("%s is at %d, the walk at %d", id, h, w.order[i].walk.top())
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
