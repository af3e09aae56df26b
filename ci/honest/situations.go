package main

import (
	"fmt"
	"strings"
	"time"
)

// situation is a schedule of a kind that went wrong once, with random times, lengths and nodes.
type situation struct {
	name     string
	nodes    int    // least number
	topology string // empty: any
	faults   func(*generator) []string
}

// situations are the kinds of schedules; half of all are any faults.
var situations = []situation{
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"any faults", 2, "", (*generator).faults},
	{"hub lost", 5, "star", (*generator).hubLost},
	{"hub and leaves lost", 8, "star", (*generator).hubAndLeavesLost},
	{"overlapping delays", 3, "", (*generator).overlappingDelays},
	{"regions", 4, "", (*generator).regions},
	{"overlapping cuts", 3, "", (*generator).overlappingCuts},
	{"cut and delay", 3, "", (*generator).cutAndDelay},
	{"cut in a line", 4, "line", (*generator).cutInLine},
	{"deep reorganisation", 3, "", (*generator).deepReorg},
	{"never heals", 4, "", (*generator).neverHeals},
	{"late joiners", 5, "", (*generator).lateJoiners},
	{"rolling restarts", 3, "", (*generator).rollingRestarts},
	{"paused and resumed", 3, "", (*generator).pausedAndResumed},
}

// hold is a fault that ends.
func (g *generator) hold(at, length time.Duration, format string, args ...any) string {
	length = min(length, g.duration-at)
	g.faulty += length
	return fmt.Sprintf("at: %v, for: %v, ", at, length) + fmt.Sprintf(format, args...)
}

// takeDown takes a node down, or pauses it.
func (g *generator) takeDown(at, length time.Duration, node string) string {
	g.down = true
	return g.hold(at, length, "%s: %s", pick(g.rng, "kill", "pause", "stop"), node)
}

func (g *generator) early() time.Duration {
	return g.between(5*time.Second, 20*time.Second, time.Second)
}
func (g *generator) length() time.Duration {
	return g.between(8*time.Second, 35*time.Second, time.Second)
}

// hubLost takes the hub of a star away, for some time or for good.
func (g *generator) hubLost() []string {
	at := g.early()
	switch g.IntN(4) {
	case 0:
		return []string{g.hold(at, g.length(), "partition: {isolate: %s}", g.nodes[0])}
	case 1:
		g.down = true
		g.faulty += g.duration - at
		return []string{fmt.Sprintf("at: %v, kill: %s", at, g.nodes[0])}
	}
	return []string{g.takeDown(at, g.length(), g.nodes[0])}
}

// hubAndLeavesLost takes leaves away while the others have to do without the hub.
func (g *generator) hubAndLeavesLost() []string {
	at := g.early()
	hub := g.hold(at, g.between(30*time.Second, 60*time.Second, time.Second), "partition: {isolate: %s}", g.nodes[0])
	leaves := g.Perm(len(g.nodes) - 1)[:1+g.IntN(3)]
	var names []string
	for _, i := range leaves {
		names = append(names, g.nodes[i+1])
	}
	return []string{hub, g.hold(at+g.between(0, 12*time.Second, time.Second), g.length(), "partition: {isolate: [%s]}", strings.Join(names, ", "))}
}

// overlappingDelays are those of a long way for all, and one or two more of some.
func (g *generator) overlappingDelays() []string {
	at := g.early()
	list := []string{g.hold(at, g.duration-at-5*time.Second, "latency: {%s}", g.varying())}
	for range 1 + g.IntN(2) {
		list = append(list, g.hold(at+g.between(2*time.Second, 15*time.Second, time.Second), g.length(), "latency: {%s, on: %s}", g.varying(), g.node()))
	}
	return list
}

// varying is a delay with jitter on links that are not named.
func (g *generator) varying() string {
	delay := g.between(20*time.Millisecond, max(40*time.Millisecond, min(250*time.Millisecond, time.Second/time.Duration(g.hops))), time.Millisecond)
	jitter := g.between(5*time.Millisecond, delay, time.Millisecond)
	g.delay += delay + jitter
	return fmt.Sprintf("delay: %v, jitter: %v", delay, jitter)
}

// regions are three groups with other delays between each two of them.
func (g *generator) regions() []string {
	order := g.Perm(len(g.nodes))
	var groups [3][]string
	for i, k := range order {
		groups[i%3] = append(groups[i%3], g.nodes[k])
	}
	var list []string
	length := g.duration
	if g.IntN(2) == 0 {
		length -= g.between(5*time.Second, 20*time.Second, time.Second)
	}
	for i := range groups {
		a, b := groups[i], groups[(i+1)%3]
		list = append(list, g.hold(0, length, "latency: {%s, between: [[%s], [%s]]}", g.varying(), strings.Join(a, ", "), strings.Join(b, ", ")))
	}
	return list
}

// overlappingCuts begin and end at different times, in two or three places.
func (g *generator) overlappingCuts() []string {
	at := g.early()
	list := []string{g.hold(at, g.length(), "partition: {halves: %s}", pick(g.rng, "ordered", "random"))}
	for range 1 + g.IntN(2) {
		list = append(list, g.hold(at+g.between(0, 10*time.Second, time.Second), g.length(), "partition: {%s}", g.partition()))
	}
	return list
}

// cutAndDelay delays links of which some are cut.
func (g *generator) cutAndDelay() []string {
	at := g.early()
	return []string{
		g.hold(at, g.length(), "partition: {%s}", g.partition()),
		g.hold(at+g.between(0, 8*time.Second, time.Second), g.length(), "latency: {%s}", g.varying()),
	}
}

// cutInLine cuts off a node in the middle of a line, or several.
func (g *generator) cutInLine() []string {
	list := []string{g.hold(g.early(), g.length(), "partition: {isolate: %s}", g.nodes[1+g.IntN(len(g.nodes)-2)])}
	if g.IntN(2) == 0 {
		list = append(list, g.takeDown(g.early(), g.length(), g.nodes[1+g.IntN(len(g.nodes)-2)]))
	}
	return list
}

// deepReorg lets two halves go on for long.
func (g *generator) deepReorg() []string {
	g.duration = g.between(110*time.Second, 150*time.Second, time.Second)
	at := g.early()
	return []string{g.hold(at, g.between(60*time.Second, g.duration-at-20*time.Second, time.Second), "partition: {halves: %s}", pick(g.rng, "ordered", "random"))}
}

// neverHeals is a cut or a delay without an end.
func (g *generator) neverHeals() []string {
	at := g.early()
	g.faulty += g.duration - at
	if g.IntN(3) == 0 {
		return []string{fmt.Sprintf("at: %v, latency: {%s}", at, g.varying())}
	}
	list := []string{fmt.Sprintf("at: %v, partition: {%s}", at, g.partition())}
	if g.IntN(2) == 0 {
		list = append(list, g.takeDown(at+g.between(0, 10*time.Second, time.Second), g.length(), g.node()))
	}
	return list
}

// lateJoiners are not there at the start; one comes after the other and has a longer chain to fetch.
func (g *generator) lateJoiners() []string {
	var list []string
	for _, i := range g.Perm(len(g.nodes) - 1)[:1+g.IntN(3)] {
		g.down = true
		list = append(list, g.hold(0, g.between(10*time.Second, g.duration-10*time.Second, time.Second), "%s: %s", pick(g.rng, "kill", "stop"), g.nodes[i+1]))
	}
	return list
}

// rollingRestarts restart one node after the other.
func (g *generator) rollingRestarts() []string {
	g.down = true
	at, step := g.early(), g.between(0, 5*time.Second, time.Second)
	var list []string
	for _, i := range g.Perm(len(g.nodes))[:min(len(g.nodes), 6)] {
		list = append(list, fmt.Sprintf("at: %v, restart: %s", at, g.nodes[i]))
		at += step
	}
	return list
}

// pausedAndResumed pauses nodes, until each is resumed.
func (g *generator) pausedAndResumed() []string {
	g.down = true
	var list []string
	for _, i := range g.Perm(len(g.nodes))[:1+g.IntN(2)] {
		at, length := g.early(), g.length()
		g.faulty += length
		list = append(list, fmt.Sprintf("at: %v, pause: %s", at, g.nodes[i]), fmt.Sprintf("at: %v, resume: %s", min(at+length, g.duration-time.Second), g.nodes[i]))
	}
	return list
}
