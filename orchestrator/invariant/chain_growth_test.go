package invariant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestGrowth_LastStepsUnderProofOfAuthority(t *testing.T) {
	for _, c := range []struct {
		steps int
		want  Verdict
	}{{2, Pass}, {3, Fail}} {
		h := newHistory(t, "a", "b", "c", "d").polled("poa", .5, 2)
		h.blocksUntil("x", 30*time.Second, "a", "b", "c", "d")
		h.cut("p", ids("a", "b"), ids("c", "d"))
		h.sleep(3 * time.Second)
		h.blocksUntil("l", h.now+time.Duration(c.steps)*time.Second, "a", "b")
		h.at(60 * time.Second)
		h.heal("p")
		h.report("y", "a", "b")
		for i := range c.steps {
			for _, n := range ids("c", "d") {
				h.reportBlock(n, h.blocks[trace.Hash(fmt.Sprintf("l-%d", i+1))])
			}
		}
		h.reportBlock("c", h.blocks["y"])
		h.reportBlock("d", h.blocks["y"])
		h.blocksUntil("z", 120*time.Second, "a", "b", "c", "d")
		h.phase(trace.PhaseSettling)
		h.blocksUntil("s", 140*time.Second, "a", "b", "c", "d")
		h.stop()
		want(t, h.result("chain_growth"), c.want)
	}
}

// randomChain is a run of six miners, halved for a third of it, in which blocks take a while to arrive and the difficulty adjusts.
// Idle miners make no blocks. Those with a time in restarts are killed then and started again a second later.
func randomChain(t *testing.T, seed uint64, delay time.Duration, restarts map[int]time.Duration, idle func(miner int, now time.Duration, cut bool) bool) *history {
	const interval, length, step = time.Second, 90 * time.Second, 20 * ms
	all := ids("a", "b", "c", "d", "e", "f")
	h := newHistory(t, all...)
	h.run.Chain.HalfLife = 60 * interval
	rng := rand.New(rand.NewPCG(seed, 9))
	type arrival struct {
		at   time.Duration
		node int
		hash trace.Hash
	}
	var coming []arrival
	made, first := map[trace.Hash]time.Duration{}, map[trace.Hash]trace.Hash{}
	cut, healed := false, false
	for count := 0; h.now < length; {
		h.now += step
		if !cut && !healed && h.now > length/3 {
			h.cut("p", all[:3], all[3:])
			cut = true
		}
		if cut && h.now > 2*length/3 {
			h.heal("p")
			cut, healed = false, true
			for i, n := range all { // everybody gets everything
				for hash := range made {
					if h.blocks[hash].Height > h.blocks[h.heads[n]].Height {
						coming = append(coming, arrival{h.now + delay, i, hash})
					}
				}
			}
		}
		for i, at := range restarts {
			if h.now-step < at && h.now >= at {
				h.state(all[i], trace.StateDown, "")
			}
			if h.now-step < at+time.Second && h.now >= at+time.Second {
				h.state(all[i], trace.StateUp, "")
				h.add(all[i], &trace.Event{Kind: trace.KindHead, Head: &trace.Head{
					Hash: h.heads[all[i]], Height: h.blocks[h.heads[all[i]]].Height, Restored: true,
				}})
				peer := all[i/3*3+(i+1)%3]
				h.add(all[i], &trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: peer, Up: true}})
			}
		}
		down := func(i int) bool {
			at, ok := restarts[i]
			return ok && h.now >= at && h.now < at+time.Second
		}
		rest := coming[:0]
		for _, x := range coming {
			if x.at > h.now || down(x.node) {
				rest = append(rest, x)
			} else if h.blocks[x.hash].Height > h.blocks[h.heads[all[x.node]]].Height {
				h.get(all[x.node], "a", x.hash)
			}
		}
		coming = rest
		for i, n := range all {
			tip := h.heads[n]
			rate := float64(step) / float64(interval) / 6
			if tip != genesis {
				late := float64(made[tip]-made[first[tip]]+interval) - float64(interval)*float64(h.blocks[tip].Height)
				rate *= math.Exp2(late / float64(60*interval))
			}
			if down(i) || idle != nil && idle(i, h.now, cut) || rng.Float64() >= rate {
				continue
			}
			count++
			hash := trace.Hash(fmt.Sprint("x-", count))
			made[hash], first[hash] = h.now, first[tip]
			if tip == genesis {
				first[hash] = hash
			}
			h.mine(n, hash, tip)
			for k := range all {
				if k != i && (!cut || k/3 == i/3) {
					coming = append(coming, arrival{h.now + delay, k, hash})
				}
			}
		}
	}
	h.phase(trace.PhaseSettling)
	h.sleep(time.Second)
	h.stop()
	return h
}

// growthOf judges chain_growth alone, with a probability of false alarms.
func (h *history) growthOf(falseAlarm float64) Result {
	c := growthDefinition.New(growthParams()).(*growth)
	c.falseAlarm = falseAlarm
	s := must.Get(replay.Play(h.source, func(s *replay.State, e *trace.Event) error { c.Observe(s, e); return nil }))(h.t)
	return c.Finish(s)
}

// Healthy nodes fail no more often than stated, and not much less often either, or the bounds would demand little.
func TestGrowth_FalseAlarmRate(t *testing.T) {
	const runs, alarm = 300, .1
	restarts := map[int]time.Duration{1: 5 * time.Second, 4: 12 * time.Second}
	for _, delay := range []time.Duration{20 * ms, 300 * ms} {
		failed := 0
		for seed := range uint64(runs) {
			h := randomChain(t, seed, delay, restarts, nil)
			if h.growthOf(alarm).Verdict == Fail {
				failed++
			}
			if r := h.growthOf(growthFalseAlarm); r.Verdict == Fail {
				t.Errorf("seed %d, delay %s: %s", seed, delay, r.Reason)
			}
		}
		// The tails of Poisson distributions are discrete and the windows overlap: the rate is below the one that is stated.
		if failed > alarm*runs+20 || failed < 2 {
			t.Errorf("delay %s: %d of %d runs failed, %v are allowed on average", delay, failed, runs, alarm*runs)
		}
		t.Logf("delay %s: %d of %d runs failed at a false-alarm rate of %v", delay, failed, runs, alarm)
	}
}

func TestGrowth_IdleMinersFail(t *testing.T) {
	for name, idle := range map[string]func(int, time.Duration, bool) bool{
		"one never mines":                 func(i int, _ time.Duration, _ bool) bool { return i == 4 },
		"nobody mines while cut":          func(_ int, _ time.Duration, cut bool) bool { return cut },
		"one side does not mine":          func(i int, _ time.Duration, cut bool) bool { return cut && i < 3 },
		"all mine at a third of the rate": func(i int, now time.Duration, _ bool) bool { return now/(20*ms)%3 != 0 },
	} {
		for seed := range uint64(5) {
			want(t, randomChain(t, seed, 20*ms, nil, idle).growthOf(growthFalseAlarm), Fail)
			_ = name
		}
	}
}

// What a producer made before does not stand for what it makes since it was started again.
func TestGrowth_MinersIdleAfterRestart(t *testing.T) {
	const first, second = 5 * time.Second, 45 * time.Second
	for _, c := range []struct {
		name     string
		restarts map[int]time.Duration
		says     string
	}{
		{"one", map[int]time.Duration{4: first}, "e with 17% of the block-making power, started again at 6s, made 0 blocks"},
		{"two", map[int]time.Duration{1: second, 4: second}, "2 nodes that were started again, since then, made 0 blocks"},
	} {
		t.Run(c.name, func(t *testing.T) {
			idle := func(i int, now time.Duration, _ bool) bool { return c.restarts[i] > 0 && now > c.restarts[i] }
			for seed := range uint64(5) {
				r := randomChain(t, seed, 20*ms, c.restarts, idle).growthOf(growthFalseAlarm)
				want(t, r, Fail)
				if !slices.ContainsFunc(r.Evidence, func(e Evidence) bool { return strings.Contains(e.Text, c.says) }) {
					t.Errorf("seed %d: %q: want %q", seed, r.Reason, c.says)
				}
				// These are too short in settling to pass.
				if r := randomChain(t, seed, 20*ms, c.restarts, nil).growthOf(growthFalseAlarm); r.Verdict == Fail {
					t.Errorf("seed %d: producers that go on: %s", seed, r.Reason)
				}
			}
		})
	}
}

func growthParams() Values {
	v, _ := growthDefinition.parse(nil)
	return v
}
