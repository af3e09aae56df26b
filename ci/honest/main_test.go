package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

func TestGenerate_IsValidAndVaried(t *testing.T) {
	seen := make(map[string]int)
	words := []string{
		"topology: full", "topology: ring", "topology: line", "topology: star", "random_regular", "relay: flood", "halves: random",
		"halves: ordered", "isolate: ", "groups: ", "one_way: ", "latency: ", "jitter: ", "between: ", ", on: ", "kill: ", "pause: ",
		"stop: ", "peer_exchange: false", "- convergence\n", "restart: ", "load:", "name: pool", "kill: miner-1", "faults:", "resume: ",
		"adversary: all", "adversary: [", "at: 0s, for: ", "block_interval: 300ms", "block_interval: 5s",
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

func TestSituations_CanRun(t *testing.T) {
	for k, x := range situations {
		good := 0
		for i := range 20 {
			rng := rand.New(rand.NewPCG(uint64(k), uint64(i)))
			if possible((&generator{rng: rng}).text(7, x), 7) {
				good++
			}
		}
		if good < 10 {
			t.Errorf("%s: %d of 20 schedules can run", x.name, good)
		}
	}
}

// With some seeds, faults on random nodes contradict each other: the file is not run with them.
func TestChoose_SeedFitsTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "random.yaml")
	must.Do(t, os.WriteFile(file, []byte(`name: random
nodes: [{name: miner, count: 3, mine: 100/s}]
faults:
  - {at: 5s, for: 10s, pause: {random: 1, of: miner}}
  - {at: 10s, restart: miner-2}
duration: 20s
`), 0o600))
	text, refused := must.Get(os.ReadFile(file))(t), 0
	for i := range 60 {
		if !possible(text, uint64(i)) {
			refused++
		}
		if j := must.Get(choose(5, i, []string{file}))(t); j.name == "random" && !possible(j.text, j.seed) {
			t.Errorf("run %d: the schedule contradicts itself with seed %d", i, j.seed)
		}
	}
	if refused < 5 || refused == 60 {
		t.Errorf("%d of 60 seeds are refused: this test needs some", refused)
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
