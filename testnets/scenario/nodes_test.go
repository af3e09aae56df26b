package scenario

import (
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// testSpec is a scenario with 6 miners and 4 full nodes.
func testSpec(t testing.TB, more string) *Spec {
	t.Helper()
	s := must.Get(Parse("t.yaml", []byte(`name: t
nodes:
  - {name: miner, count: 6, mine: 100/s}
  - {name: full, count: 4}
duration: 60s
`+more)))(t)
	return s
}

func TestSpec_Net(t *testing.T) {
	s := testSpec(t, "")
	infos := s.NodeIDs()
	if len(infos) != 10 {
		t.Fatalf("%d nodes", len(infos))
	}
	if d := cmp.Diff([]NodeInfo{{ID: "miner-6", Role: "miner", Mine: 100}, {ID: "full-1", Role: "full"}}, infos[5:7]); d != "" {
		t.Error(d)
	}
	net := s.Net()
	if d := cmp.Diff([]faults.NodeID{"full-1", "full-2", "full-3", "full-4"}, net.Roles["full"]); d != "" {
		t.Error(d)
	}
	if len(net.Nodes) != 10 || len(net.Edges) != 20 {
		t.Errorf("%d nodes, %d edges", len(net.Nodes), len(net.Edges))
	}
	if d := cmp.Diff(s.Edges(), net.Edges); d != "" {
		t.Error(d)
	}
}

// Adversaries are joined to honest nodes, which are connected without them.
func TestSpec_Adversaries(t *testing.T) {
	s := must.Get(Parse("t.yaml", []byte(`
name: t
nodes:
  - {name: bad, count: 2, adversary: [replay, flood]}
  - {name: miner, count: 20, mine: 100/s}
  - {name: worse, adversary: all}
topology: ring
duration: 60s
`)))(t)
	infos := s.NodeIDs()
	if d := cmp.Diff(Adversary{"replay", "flood"}, infos[1].Adversary); d != "" || infos[2].Adversary != nil {
		t.Error(d, infos[2])
	}
	if d := cmp.Diff(Adversary(AdversaryKinds), infos[22].Adversary); d != "" {
		t.Error(d)
	}
	degree := make(map[faults.NodeID]int)
	honest := 0
	for _, e := range s.Edges() {
		degree[e[0]]++
		if strings.HasPrefix(string(e[0]), "miner") {
			honest++
		} else if !strings.HasPrefix(string(e[1]), "miner") {
			t.Errorf("edge %v", e)
		}
	}
	if honest != 20 || degree["bad-1"] != 16 || degree["worse-1"] != 16 {
		t.Errorf("%d edges of the ring, degrees %v", honest, degree)
	}
}

// checkSimple reports edges that are doubled, out of order or join a node to itself, and pieces.
func checkSimple(t *testing.T, n int, edges []edge) (degrees []int) {
	t.Helper()
	degrees = make([]int, n)
	near := make([][]int32, n)
	for i, e := range edges {
		if e[0] >= e[1] || e[0] < 0 || int(e[1]) >= n {
			t.Fatalf("edge %v among %d nodes", e, n)
		}
		if i > 0 && slices.Compare(edges[i-1][:], e[:]) >= 0 {
			t.Fatalf("edge %v comes after %v", e, edges[i-1])
		}
		for k := range e {
			degrees[e[k]]++
			near[e[k]] = append(near[e[k]], e[1-k])
		}
	}
	if n > 0 && slices.Contains(distances(near, 0), -1) {
		t.Fatalf("%d nodes are not connected: %v", n, edges)
	}
	return degrees
}

// distances are the hops from a node to every other, -1 where there is no way.
func distances(near [][]int32, from int32) []int {
	out := make([]int, len(near))
	for i := range out {
		out[i] = -1
	}
	out[from] = 0
	queue := []int32{from}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for _, w := range near[v] {
			if out[w] < 0 {
				out[w] = out[v] + 1
				queue = append(queue, w)
			}
		}
	}
	return out
}

func TestRandomRegular_Degrees(t *testing.T) {
	for n := 3; n <= 24; n++ {
		for d := 2; d < n; d++ {
			if n*d%2 == 1 {
				continue
			}
			for seed := range uint64(5) {
				edges := Topology{Kind: "random_regular", Degree: d}.build(n, seed)
				for v, got := range checkSimple(t, n, edges) {
					if got != d {
						t.Fatalf("n %d, degree %d, seed %d: node %d has %d neighbours", n, d, seed, v, got)
					}
				}
			}
		}
	}
}

func TestRandomRegular_Seed(t *testing.T) {
	top := Topology{Kind: "random_regular", Degree: 4}
	if !cmp.Equal(top.build(50, 3), top.build(50, 3)) {
		t.Error("one seed gave two graphs")
	}
	if cmp.Equal(top.build(50, 3), top.build(50, 4)) {
		t.Error("two seeds gave one graph")
	}
}

// TestRandomRegular_PathLengths compares the mean number of hops in random 8-regular graphs of 10,000 nodes with the published
// value (Tishby et al. 2022).
func TestRandomRegular_PathLengths(t *testing.T) {
	const n, d = 10_000, 8
	edges := Topology{Kind: "random_regular", Degree: d}.build(n, 1)
	near := make([][]int32, n)
	for _, e := range edges {
		near[e[0]] = append(near[e[0]], e[1])
		near[e[1]] = append(near[e[1]], e[0])
	}
	sum, pairs := 0, 0
	for from := int32(0); from < 40; from++ {
		for _, h := range distances(near, from*(n/40)) {
			sum += h
		}
		pairs += n - 1
	}
	mean := float64(sum) / float64(pairs)
	want := math.Log(n)/math.Log(d-1) + .5 - (math.Log(d/(d-2.0))+.577216)/math.Log(d-1)
	if math.Abs(mean-want) > .01*want {
		t.Errorf("mean %.3f hops, want %.3f ± 1 %%", mean, want)
	}
}

// TestRandomRegular_Random: the three-regular graphs of 6 nodes are K33 and the prism, 10 and 60 labelled ones; a uniform
// choice finds K33 once in seven.
func TestRandomRegular_Random(t *testing.T) {
	const trials = 2100
	k33 := 0
	for seed := range uint64(trials) {
		g := make(map[edge]bool)
		for _, e := range (Topology{Kind: "random_regular", Degree: 3}).build(6, seed) {
			g[e] = true
		}
		triangle := false
		for a := int32(0); a < 6; a++ {
			for b := a + 1; b < 6; b++ {
				for c := b + 1; c < 6; c++ {
					triangle = triangle || g[edge{a, b}] && g[edge{b, c}] && g[edge{a, c}]
				}
			}
		}
		if !triangle {
			k33++
		}
	}
	p := 1.0 / 7
	if got := float64(k33) / trials; math.Abs(got-p) > 3.29*math.Sqrt(p*(1-p)/trials) {
		t.Errorf("K33 came with probability %.4f, want %.4f", got, p)
	}
}

func TestTopology_Build(t *testing.T) {
	for _, c := range []struct {
		kind string
		n    int
		want []edge
	}{
		{"full", 4, []edge{{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}}},
		{"ring", 4, []edge{{0, 1}, {0, 3}, {1, 2}, {2, 3}}},
		{"ring", 2, []edge{{0, 1}}},
		{"line", 4, []edge{{0, 1}, {1, 2}, {2, 3}}},
		{"star", 4, []edge{{0, 1}, {0, 2}, {0, 3}}},
		{"full", 1, nil}, {"ring", 1, nil}, {"line", 1, nil}, {"star", 1, nil},
	} {
		got := Topology{Kind: c.kind}.build(c.n, 1)
		checkSimple(t, c.n, got)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s of %d:\n%s", c.kind, c.n, d)
		}
	}
}

func TestApportion(t *testing.T) {
	for _, c := range []struct {
		shares []int
		n      int
		want   []int
	}{
		{[]int{6, 4}, 10, []int{6, 4}},
		{[]int{6, 4}, 100, []int{60, 40}},
		{[]int{6, 4}, 11, []int{7, 4}},
		{[]int{6, 4}, 2, []int{1, 1}},
		{[]int{6, 4}, 3, []int{2, 1}},
		{[]int{1, 1, 1}, 4, []int{2, 1, 1}},
		{[]int{98, 1, 1}, 10, []int{8, 1, 1}},
		{[]int{1, 98, 1}, 3, []int{1, 1, 1}},
		{[]int{5}, 7, []int{7}},
		{[]int{MaxNodes, 1}, MaxNodes, []int{MaxNodes - 1, 1}},
	} {
		if d := cmp.Diff(c.want, apportion(c.shares, c.n)); d != "" {
			t.Errorf("%d among %v:\n%s", c.n, c.shares, d)
		}
	}
}

func TestSpec_Scale(t *testing.T) {
	s := testSpec(t, "faults:\n  - {at: 5s, for: 5s, partition: {halves: random}}\n")
	for _, n := range []int{10_000, 3, 2, 17, 100} {
		must.Do(t, s.Scale(n))
		if len(s.NodeIDs()) != n {
			t.Errorf("%d nodes, want %d", len(s.NodeIDs()), n)
		}
		if want := map[bool]string{true: "full", false: "random_regular"}[n <= 5]; s.Topology.Kind != want {
			t.Errorf("%d nodes: topology %s, want %s", n, s.Topology.Kind, want)
		}
		if s.Nodes[0].Mine != 100 {
			t.Errorf("%d nodes: mine %v", n, s.Nodes[0].Mine)
		}
	}
}

func TestSpec_ScaleErrors(t *testing.T) {
	s := testSpec(t, "topology: {random_regular: {degree: 3}}\nfaults:\n  - {at: 5s, restart: [miner-1, miner-6]}\n")
	before := *s
	for n, want := range map[int]string{
		1:            "t.yaml: cannot scale to 1 nodes: there are 2 groups, each keeps at least 1",
		MaxNodes + 1: "t.yaml: cannot scale to 100001 nodes, the most is 100000",
		3: `t.yaml:6:1: degree 3 needs more than 3 nodes, there are 3
  6 | topology: {random_regular: {degree: 3}}
    | ^
  hint: lower the degree or use full`,
		11: `t.yaml:6:1: 11 nodes cannot have 3 neighbours each: one end would be left over
  6 | topology: {random_regular: {degree: 3}}
    | ^
  hint: use an even degree`,
		8: `t.yaml:8:33: fault restart-1: no node or role is called "miner-6"
  8 |   - {at: 5s, restart: [miner-1, miner-6]}
    |                                 ^
  hint: did you mean "miner-1"?`,
	} {
		err := s.Scale(n)
		if err == nil {
			t.Errorf("no error at %d", n)
			continue
		}
		if d := cmp.Diff(want, err.Error()); d != "" {
			t.Errorf("%d:\n%s", n, d)
		}
		if d := cmp.Diff(before, *s); d != "" {
			t.Fatalf("a failed Scale changed the spec:\n%s", d)
		}
	}
}

func TestSpec_PlanFaults_Seed(t *testing.T) {
	s := testSpec(t, "faults:\n  - {at: 5s, for: 5s, partition: {halves: random}}\n")
	text := func() string {
		plan := must.Get(s.PlanFaults())(t)
		var b strings.Builder
		for _, id := range plan[0].Effect.Links.Rules[0].From {
			b.WriteString(string(id) + " ")
		}
		return b.String()
	}
	first := text()
	if first != text() {
		t.Error("one seed planned two faults")
	}
	s.Seed = 2
	if first == text() {
		t.Error("two seeds planned one fault")
	}
	s.Duration = 7 * time.Second
	if _, err := s.PlanFaults(); err == nil || !strings.HasPrefix(err.Error(), "t.yaml:7:5: fault partition-1: begins at 5s and lasts 5s") {
		t.Error(err)
	}
}

func BenchmarkEdges(b *testing.B) {
	for range b.N {
		Topology{Kind: "random_regular", Degree: 8}.build(10_000, 1)
	}
}

func BenchmarkPlan10000(b *testing.B) {
	s := testSpec(b, "faults:\n  - {at: 5s, for: 5s, partition: {halves: random}}\n")
	must.Do(b, s.Scale(10_000))
	b.ResetTimer()
	for range b.N {
		if _, err := s.PlanFaults(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSpec_Place(t *testing.T) {
	s := catalogSpec(t, "split-brain")
	there := []NodeInfo{{ID: "web-a", Role: "web", Mine: 1}, {ID: "b", Role: "db", Mine: 1}, {ID: "web-c", Role: "web", Mine: 1}, {ID: "d", Role: "db", Mine: 1}}
	must.Do(t, s.Place(there))
	if diff := cmp.Diff([]faults.NodeID{"web-a", "web-c", "b", "d"}, s.Net().Nodes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]faults.NodeID{"b", "d"}, s.Net().Roles["db"]); diff != "" {
		t.Error(diff)
	}
	if len(s.Edges()) != 6 {
		t.Errorf("%d edges among 4 nodes that may all be connected", len(s.Edges()))
	}
	planned, err := s.PlanFaults()
	if err != nil || len(planned) != 1 || len(planned[0].Effect.Links.Rules) == 0 {
		t.Errorf("faults %v, error %v", planned, err)
	}
}

func TestSpec_Place_UnknownNode(t *testing.T) {
	s := catalogSpec(t, "isolated-miner")
	before := s.Net().Nodes
	err := s.Place([]NodeInfo{{ID: "a", Role: "node", Mine: 1}, {ID: "b", Role: "node", Mine: 1}})
	var bad *strictyaml.Error
	if !errors.As(err, &bad) || bad.Pos.Line == 0 {
		t.Errorf("error %v has no place", err)
	}
	if diff := cmp.Diff(before, s.Net().Nodes); diff != "" {
		t.Errorf("the spec was changed: %s", diff)
	}
}

// catalogSpec decodes a scenario of the catalog.
func catalogSpec(t *testing.T, name string) *Spec {
	t.Helper()
	src := must.Get(os.ReadFile("../catalog/" + name + ".yaml"))(t)
	return must.Get(Parse(name+".yaml", src))(t)
}
