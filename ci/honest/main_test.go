package main

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

func TestGenerate_IsValidAndVaried(t *testing.T) {
	seen := make(map[string]int)
	words := []string{
		"topology: full", "topology: ring", "topology: line", "topology: star", "random_regular", "relay: flood", "halves: random",
		"halves: ordered", "isolate: ", "groups: ", "one_way: ", "latency: ", "jitter: ", "between: ", ", on: ", "kill: ", "pause: ",
		"stop: ", "peer_exchange: false", "- convergence\n", "restart: ", "load: ", "name: pool", "kill: miner-1", "faults:",
	}
	const n = 400
	for i := range n {
		text := string(must.Get(generate(rand.New(rand.NewPCG(1, uint64(i))), uint64(i)))(t))
		for _, w := range words {
			if strings.Contains(text, w) {
				seen[w]++
			}
		}
	}
	for _, w := range words {
		if seen[w] < 3 || seen[w] == n {
			t.Errorf("%q is in %d of %d scenarios", w, seen[w], n)
		}
	}
}

func TestChoose_DependsOnSeedAndNumber(t *testing.T) {
	get := func(seed uint64, number int) job { return must.Get(choose(seed, number, nil))(t) }
	a, b := get(3, 17), get(3, 17)
	if !bytes.Equal(a.text, b.text) || a.seed != b.seed {
		t.Error("the same seed and number give different scenarios")
	}
	for _, other := range []job{get(3, 18), get(4, 17)} {
		if bytes.Equal(a.text, other.text) || a.seed == other.seed {
			t.Error("another seed or number gives the same scenario")
		}
	}
}

func TestTally(t *testing.T) {
	var out strings.Builder
	y := tally{out: &out, o: options{seed: 9, out: t.TempDir()}, verdicts: make(map[string]map[string]int), exits: make(map[int]int)}
	good := ended{results: []result{{Invariant: "validity", Verdict: "PASS"}}}
	must.Do(t, y.add(job{number: 1, name: "quickstart", seed: 5}, good))
	if err := y.conclude(); err != nil {
		t.Errorf("one run that passed: %v", err)
	}
	bad := ended{exit: 4, results: []result{{"convergence", "UNKNOWN", "ended early"}}}
	must.Do(t, y.add(job{number: 2, name: "quickstart", seed: 6}, bad))
	if err := y.conclude(); err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("one run that failed: %v", err)
	}
	for _, want := range []string{"exit code 4: netsplit run ", "quickstart-9-2.yaml --runtime sim --seed 6", "-seed 9 -run 2", "convergence UNKNOWN: ended early"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
