package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/netsplit/netsplit/testnets/scenario"
)

// generate makes a scenario in which every invariant must hold as long as the nodes are honest: its bounds follow from its
// size, its topology and its delays. Everything else is random: nodes, their power, topology, relay, load, adversaries, and
// either up to four faults that may overlap, or one of the situations. Schedules in which faults contradict each other, such as
// one that kills a node that is down, are discarded.
func generate(rng *rand.Rand, seed uint64) ([]byte, error) {
	for range 1000 {
		g := generator{rng: rng}
		if text := g.text(seed, pick(rng, situations...)); possible(text, seed) {
			return text, nil
		}
	}
	return nil, errors.New("no valid scenario in 1000 attempts")
}

// possible says whether a scenario can run with a seed: faults on random nodes may contradict each other with one and not with
// another.
func possible(text []byte, seed uint64) bool {
	s, err := scenario.Parse("generated.yaml", text)
	if err != nil {
		return false
	}
	s.Seed = seed
	_, err = s.PlanFaults()
	return err == nil
}

type generator struct {
	*rng
	roles    []role
	nodes    []string
	hops     int           // the longest way of a block
	interval time.Duration // of blocks
	duration time.Duration
	delay    time.Duration // the most that all faults together add to one link, with their jitter
	down     bool          // some node is down or paused for a while
	faulty   time.Duration // of all faults together
	hostile  bool          // there are adversaries
}

type rng = rand.Rand

type role struct {
	name  string
	count int
	mine  int // attempts per second
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// between returns a duration in whole steps.
func (g *generator) between(low, high, step time.Duration) time.Duration {
	return low + time.Duration(g.Int64N(int64((high-low)/step)+1))*step
}

// text is a scenario in a situation.
func (g *generator) text(seed uint64, x situation) []byte {
	g.interval = pick(g.rng, 300*time.Millisecond, 500*time.Millisecond, time.Second, 2*time.Second, 2*time.Second, 3*time.Second, 5*time.Second)
	g.duration = g.between(40*time.Second, 100*time.Second, time.Second)
	g.chooseNodes(x.nodes)
	topology := g.topology(x.topology)
	relay := pick(g.rng, "inventory", "inventory", "flood")
	if g.IntN(8) == 0 {
		topology = strings.TrimSuffix(topology, "}")
		if !strings.HasPrefix(topology, "{") {
			topology = "{" + topology + ": {}"
		}
		topology += ", peer_exchange: false}"
	}
	faults := x.faults(g)
	g.hostile = g.IntN(8) == 0 && len(g.nodes) <= 20
	within, settle := g.bounds()
	parameters := func(text string, args ...any) string {
		if g.defaults() {
			return ""
		}
		return fmt.Sprintf(text, args...)
	}

	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("name: generated")
	line("seed: %d", seed)
	line("nodes:")
	for _, r := range g.roles {
		if r.mine > 0 {
			line("  - {name: %s, count: %d, mine: %d/s}", r.name, r.count, r.mine)
		} else {
			line("  - {name: %s, count: %d}", r.name, r.count)
		}
	}
	if g.hostile {
		line("  - {name: adversary, count: %d, adversary: %s}", 1+g.IntN(2), g.attacks())
	}
	line("consensus: {pow: {block_interval: %v}}", g.interval)
	line("topology: %s", topology)
	line("relay: %s", relay)
	if loads := pick(g.rng, 0, 1, 1, 1, 2); loads > 0 {
		line("load:")
		for range loads {
			from := g.between(0, 10*time.Second, time.Second)
			until := g.between(from+10*time.Second, g.duration, time.Second)
			line("  - {transfers: %d/s, from: %v, until: %v}", 1+g.IntN(min(30, max(1, g.mostTransfers(relay)/loads))), from, until)
		}
	}
	if len(faults) > 0 {
		line("faults:")
		for _, f := range faults {
			line("  - {%s}", f)
		}
	}
	line("expect:")
	for _, e := range []string{
		"agreement", "validity", "chain_growth", "isolation", "fault_accuracy", "fork_choice", "consistency", "connectivity",
		"durability", "adversary",
		"block_propagation" + parameters(": {p95: %v}", g.propagation(relay)),
		"convergence" + parameters(": {within: %v}", within),
		"inclusion" + parameters(": {within: %v}", within+10*g.interval),
	} {
		if g.IntN(8) > 0 {
			line("  - %s", e)
		}
	}
	line("  - no_crash")
	line("duration: %v", g.duration)
	line("settle: %v", settle)
	return []byte(b.String())
}

// attacks are what adversaries do: everything, or some kinds.
func (g *generator) attacks() string {
	if g.IntN(2) == 0 {
		return "all"
	}
	var kinds []string
	for _, i := range g.Perm(len(scenario.AdversaryKinds))[:1+g.IntN(5)] {
		kinds = append(kinds, scenario.AdversaryKinds[i])
	}
	return "[" + strings.Join(kinds, ", ") + "]"
}

// chooseNodes draws 2 to 40 nodes, small testnets more often, at least some; one to twelve of them mine, some with more power.
func (g *generator) chooseNodes(least int) {
	n := max(least, 2+g.IntN(pick(g.rng, 8, 8, 15, 39)))
	miners := 1 + g.IntN(min(n, 12))
	rate := 50 * (1 + g.IntN(4))
	if strong := g.IntN(3); strong > 0 && strong < miners {
		g.roles = append(g.roles, role{"miner", miners - strong, rate}, role{"pool", strong, rate * (2 + g.IntN(3))})
	} else {
		g.roles = append(g.roles, role{"miner", miners, rate})
	}
	if n > miners {
		g.roles = append(g.roles, role{"full", n - miners, 0})
	}
	for _, r := range g.roles {
		for i := range r.count {
			g.nodes = append(g.nodes, fmt.Sprintf("%s-%d", r.name, i+1))
		}
	}
}

// topology draws one, unless it is given, and sets the longest way of a block.
func (g *generator) topology(given string) string {
	n := len(g.nodes)
	kind := pick(g.rng, "full", "ring", "line", "star", "random_regular", "random_regular")
	if given != "" {
		kind = given
	}
	switch kind {
	case "full":
		g.hops = 1
		return kind
	case "star":
		g.hops = 2
		return kind
	case "ring":
		g.hops = n/2 + 1
		return kind
	case "line":
		g.hops = n - 1
		return kind
	}
	degree := 3 + g.IntN(4)
	if n*degree%2 == 1 {
		degree++
	}
	if degree >= n {
		g.hops = 1
		return "full"
	}
	g.hops = 2
	for reached := 1 + degree; reached < n; reached *= degree - 1 {
		g.hops++
	}
	return fmt.Sprintf("{random_regular: {degree: %d}}", degree)
}

// faults draws up to four.
func (g *generator) faults() []string {
	var list []string
	for range pick(g.rng, 0, 1, 1, 2, 2, 3, 4) {
		at := g.between(0, g.duration-10*time.Second, time.Second)
		length := g.between(5*time.Second, min(40*time.Second, g.duration-at), time.Second)
		g.faulty += length
		var what string
		switch g.IntN(10) {
		case 0, 1, 2:
			what = "partition: {" + g.partition() + "}"
		case 3, 4, 5:
			what = "latency: {" + g.latency() + "}"
			length = max(length, min(8*time.Second, g.duration-at)) // a shorter one with jitter cannot be measured, see fault_accuracy
		case 6:
			list = append(list, fmt.Sprintf("at: %v, restart: %s", at, g.some()))
			g.down = true
			continue
		default:
			what = pick(g.rng, "kill", "pause", "stop") + ": " + g.some()
			g.down = true
		}
		if g.IntN(10) == 0 { // until the end of the schedule
			g.faulty += g.duration - at
			list = append(list, fmt.Sprintf("at: %v, %s", at, what))
		} else {
			list = append(list, fmt.Sprintf("at: %v, for: %v, %s", at, length, what))
		}
	}
	return list
}

func (g *generator) node() string { return g.nodes[g.IntN(len(g.nodes))] }

// some draws nodes: the first one, which is the hub of a star, or others.
func (g *generator) some() string {
	r := g.roles[g.IntN(len(g.roles))]
	switch g.IntN(4) {
	case 0:
		return g.nodes[0]
	case 1:
		return fmt.Sprintf("{random: %d, of: %s}", 1+g.IntN(min(r.count, 3)), r.name)
	default:
		return g.node()
	}
}

// twoSides splits the nodes at random, each side at least one.
func (g *generator) twoSides() (a, b string) {
	order := g.Perm(len(g.nodes))
	cut := 1 + g.IntN(len(order)-1)
	names := func(list []int) string {
		var out []string
		for _, i := range list {
			out = append(out, g.nodes[i])
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	return names(order[:cut]), names(order[cut:])
}

func (g *generator) partition() string {
	a, b := g.twoSides()
	switch g.IntN(5) {
	case 0:
		return "halves: random"
	case 1:
		return "halves: ordered"
	case 2:
		return "isolate: " + g.some()
	case 3:
		return fmt.Sprintf("groups: [%s, %s]", a, b)
	default:
		return fmt.Sprintf("one_way: {from: %s, to: %s}", a, b)
	}
}

// latency draws a delay that leaves blocks enough time on the longest way.
func (g *generator) latency() string {
	most := min(400*time.Millisecond, time.Second/time.Duration(g.hops))
	delay := g.between(5*time.Millisecond, max(most, 10*time.Millisecond), time.Millisecond)
	text := fmt.Sprintf("delay: %v", delay)
	jitter := time.Duration(0)
	if g.IntN(3) > 0 {
		jitter = g.between(0, delay, time.Millisecond)
		text += fmt.Sprintf(", jitter: %v", jitter)
	}
	g.delay += delay + jitter
	a, b := g.twoSides()
	switch g.IntN(5) {
	case 0:
		text += ", on: " + g.node()
	case 1:
		text += fmt.Sprintf(", between: [%s, %s]", a, b)
	case 2:
		text += fmt.Sprintf(", from: %s, to: %s", a, b)
	}
	return text
}

// mostTransfers is a rate at which what accumulates where nobody mines, as long as faults hold, fits what a node sends to a
// peer that connects: 256 transactions with flood, 1024 announcements with inventory.
func (g *generator) mostTransfers(relay string) int {
	backlog := 1000
	if relay == "flood" {
		backlog = 250
	}
	return max(1, backlog/max(1, int(g.faulty.Seconds())))
}

// defaults says whether the invariants' own bounds must do: no fault delays anything, and no node is missing.
func (g *generator) defaults() bool {
	return g.delay == 0 && !g.down && !g.hostile && g.interval >= 500*time.Millisecond && g.interval <= 2*time.Second && g.hops <= 5 && g.IntN(3) > 0
}

// propagation is the bound for 95 % of the deliveries: announce, request and answer on every hop, and the time-out of
// requests where a node may disappear between two of them.
func (g *generator) propagation(relay string) time.Duration {
	legs := 3
	if relay == "flood" {
		legs = 1
	}
	bound := 2*time.Second + time.Duration(legs*g.hops)*g.delay
	if g.down {
		bound += 3 * time.Second
	}
	return bound.Round(time.Millisecond)
}

// bounds are the time to one chain and the settling time that it needs. After a cut, TCP retransmits after up to as long
// again as the cut lasted; nodes give up such a connection after 6 s and dial again every two seconds, with a time-out of
// 20 s.
func (g *generator) bounds() (within, settle time.Duration) {
	within = 35*time.Second + 20*time.Duration(g.hops)*g.delay + 5*g.interval
	within = within.Round(time.Second)
	return within, (within + 20*g.interval + 20*time.Second).Round(time.Second)
}
