package faults

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ids returns the nodes n-0 ... n-(n-1).
func ids(n int) []NodeID {
	out := make([]NodeID, n)
	for i := range out {
		out[i] = NodeID(fmt.Sprintf("n-%d", i))
	}
	return out
}

func testRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 99)) }

// randomLayers makes layers with random rules; some rules name unknown nodes, some have no effect, some name a node twice.
func randomLayers(rng *rand.Rand, nodes []NodeID, rules int) []Layer {
	side := func() []NodeID {
		var out []NodeID
		for range 1 + rng.IntN(len(nodes)) {
			out = append(out, nodes[rng.IntN(len(nodes))])
		}
		if rng.IntN(4) == 0 {
			out = append(out, "unknown")
		}
		return out
	}
	var layers []Layer
	for i := range rules {
		r := Rule{From: side(), To: side()}
		switch rng.IntN(4) {
		case 0:
			r.Cut = true
		case 1, 2:
			r.Shape = Shape{Delay: time.Duration(1 + rng.IntN(1000)), Jitter: time.Duration(rng.IntN(10))}
		}
		layers = append(layers, Layer{ID: fmt.Sprint(i), Links: Links{Rules: []Rule{r}}})
	}
	return layers
}

// states lists the state of every link, self links included.
func states(l Links, nodes []NodeID) map[Link]LinkState {
	out := make(map[Link]LinkState)
	for _, a := range nodes {
		for _, b := range nodes {
			out[Link{a, b}] = l.On(Link{a, b})
		}
	}
	return out
}

func TestCompose_Laws(t *testing.T) {
	for seed := range uint64(50) {
		rng := testRand(seed)
		nodes := ids(6)
		layers := randomLayers(rng, nodes, 5)
		want := states(Compose(layers), nodes)

		shuffled := append([]Layer(nil), layers...)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if d := cmp.Diff(want, states(Compose(shuffled), nodes)); d != "" {
			t.Fatalf("seed %d: not commutative:\n%s", seed, d)
		}
		k := rng.IntN(len(layers))
		nested := []Layer{{Links: Compose(layers[:k])}, {Links: Compose(layers[k:])}}
		if d := cmp.Diff(want, states(Compose(nested), nodes)); d != "" {
			t.Fatalf("seed %d: not associative:\n%s", seed, d)
		}
		twice := states(Compose(append(append([]Layer(nil), layers...), layers...)), nodes)
		for link, s := range twice {
			if s.Cut != want[link].Cut {
				t.Fatalf("seed %d: cuts are not idempotent on %v", seed, link)
			}
			if s.Shape.Delay != 2*want[link].Shape.Delay || s.Shape.Jitter != 2*want[link].Shape.Jitter {
				t.Fatalf("seed %d: delays of %v do not add up", seed, link)
			}
		}
	}
}

func TestCompose_Nothing(t *testing.T) {
	if l := Compose(nil); l.Rules != nil {
		t.Errorf("Compose(nil) = %v", l)
	}
	if s := (Links{}).On(Link{"a", "b"}); s != (LinkState{}) {
		t.Errorf("an empty Links has state %v", s)
	}
}

func TestLinks_SelfLinkIsUnaffected(t *testing.T) {
	nodes := ids(3)
	l := Links{Rules: []Rule{{From: nodes, To: nodes, Cut: true}}}
	m := l.Compile(nodes)
	for i, n := range nodes {
		if s := l.On(Link{n, n}); s != (LinkState{}) {
			t.Errorf("On(%s to itself) = %v", n, s)
		}
		if s := m.State(i, i); s != (LinkState{}) {
			t.Errorf("State(%d to itself) = %v", i, s)
		}
	}
}

// TestMatrix_State compares the fast lookup with the plain one, with and without the table of states.
func TestMatrix_State(t *testing.T) {
	for _, c := range []struct{ nodes, rules int }{{6, 1}, {6, 5}, {12, 63}, {12, 64}, {12, 65}, {300, 200}} {
		rng := testRand(uint64(c.rules))
		nodes := ids(c.nodes)
		l := Compose(randomLayers(rng, nodes, c.rules))
		m := l.Compile(nodes)
		if c.nodes == 300 && m.table != nil {
			t.Errorf("%d nodes: the case without a table is not tested", c.nodes)
		}
		for range min(2000, 60_000/c.rules) { // On reads every rule
			i, j := rng.IntN(c.nodes), rng.IntN(c.nodes)
			if got, want := m.State(i, j), l.On(Link{nodes[i], nodes[j]}); got != want {
				t.Fatalf("%v: State(%d, %d) = %v, want %v", c, i, j, got, want)
			}
		}
	}
}

func TestMatrix_Empty(t *testing.T) {
	nodes := ids(2)
	m := Links{Rules: []Rule{{From: nodes, To: nodes}}}.Compile(nodes)
	if !m.Empty() || m.State(0, 1) != (LinkState{}) {
		t.Error("a rule without effect has an effect")
	}
	if (Links{Rules: []Rule{{From: nodes, To: nodes, Cut: true}}}).Compile(nodes).Empty() {
		t.Error("a cut has no effect")
	}
}

func TestAffected_All(t *testing.T) {
	for seed := range uint64(30) {
		rng := testRand(seed)
		nodes := ids(9)
		l := Compose(randomLayers(rng, nodes, 4))
		var want []Link
		for _, a := range nodes {
			for _, b := range nodes {
				if l.On(Link{a, b}) != (LinkState{}) {
					want = append(want, Link{a, b})
				}
			}
		}
		got, total := l.Affected(nodes, 100, rng)
		if d := cmp.Diff(want, got); d != "" || total != len(want) {
			t.Fatalf("seed %d: total %d, want %d:\n%s", seed, total, len(want), d)
		}
		none, total := l.Affected(nodes, 0, rng)
		if len(none) != 0 || total != len(want) {
			t.Fatalf("seed %d: with limit 0: %d links of %d", seed, len(none), total)
		}
	}
}

// TestAffected_SampleIsUniform checks both ways of sampling: from a list, and by drawing. 12 nodes in halves have 72 links.
func TestAffected_SampleIsUniform(t *testing.T) {
	nodes := ids(12)
	a, b := nodes[:6], nodes[6:]
	l := Links{Rules: []Rule{{From: a, To: b, Cut: true}, {From: b, To: a, Cut: true}}}
	for _, limit := range []int{2, 30} {
		counts := make(map[Link]int)
		const trials = 6000
		rng := testRand(1)
		for range trials {
			links, total := l.Affected(nodes, limit, rng)
			if total != 72 || len(links) != limit {
				t.Fatalf("%d links of %d", len(links), total)
			}
			for i, k := range links {
				counts[k]++
				if i > 0 && links[i-1] == k {
					t.Fatalf("%v is twice in the sample", k)
				}
			}
		}
		if len(counts) != 72 {
			t.Fatalf("limit %d: %d of 72 links were ever drawn", limit, len(counts))
		}
		mean := float64(trials*limit) / 72
		sum := 0.0
		for _, n := range counts {
			d := float64(n) - mean
			sum += d * d / mean
		}
		// Chi-squared with 71 degrees of freedom: 120 is beyond the 99.97th percentile. Drawing without replacement
		// only makes it smaller.
		if sum > 120 {
			t.Errorf("limit %d: chi-squared %.1f, the sample is not uniform", limit, sum)
		}
	}
}

func TestAffected_HundredMillionLinks(t *testing.T) {
	nodes := ids(10_000)
	l := Links{Rules: []Rule{{From: nodes, To: nodes, Shape: Shape{Delay: 1}}}}
	links, total := l.Affected(nodes, 500, testRand(3))
	if total != 10_000*9_999 || len(links) != 500 {
		t.Errorf("%d links of %d", len(links), total)
	}
}

func BenchmarkMatrixState(b *testing.B) {
	nodes := ids(10_000)
	for name, rules := range map[string][]Rule{
		"unaffected": nil,
		"halves": {
			{From: nodes[:5000], To: nodes[5000:], Cut: true},
			{From: nodes[5000:], To: nodes[:5000], Cut: true},
		},
	} {
		m := Links{Rules: rules}.Compile(nodes)
		b.Run(name, func(b *testing.B) {
			cut := 0
			for i := range b.N {
				if m.State(i%10_000, (i*7919)%10_000).Cut {
					cut++
				}
			}
			b.ReportMetric(float64(cut)/float64(b.N), "cut/op")
		})
	}
}
