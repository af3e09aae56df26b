package faults

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// MaxDelay is the longest delay that one fault may add to a link.
const MaxDelay = 10 * time.Second

// Latency delays packets on the links from From to To; zero Selects mean every node.
type Latency struct {
	// Delay is added to every packet, one way: more than 0, at most MaxDelay.
	Delay time.Duration
	// Jitter varies the delay uniformly within Delay ± Jitter: 0 to Delay.
	Jitter time.Duration
	From   Select
	To     Select
	// BothWays delays the links from To to From too. One fault never delays a link twice.
	BothWays bool
}

// Kind implements Fault.
func (Latency) Kind() string { return "latency" }

// Resolve implements Fault.
func (l Latency) Resolve(net Net, rng *rand.Rand) (Effect, error) {
	if l.Delay <= 0 || l.Delay > MaxDelay {
		return Effect{}, fmt.Errorf("delay %v is out of range: more than 0, at most %v", l.Delay, MaxDelay)
	}
	if l.Jitter < 0 || l.Jitter > l.Delay {
		return Effect{}, fmt.Errorf("jitter %v is out of range: 0 to the delay, %v", l.Jitter, l.Delay)
	}
	from, err := l.From.resolve(net, rng)
	if err != nil {
		return Effect{}, err
	}
	to, err := l.To.resolve(net, rng)
	if err != nil {
		return Effect{}, err
	}
	if len(from) == 1 && len(to) == 1 && from[0] == to[0] {
		return Effect{}, fmt.Errorf("there is no link from %s to itself", from[0])
	}
	return Effect{Text: l.text(from, to, len(net.Nodes)), Links: Links{Rules: l.rules(from, to)}}, nil
}

// rules lists every link once, so that delays do not add up within the fault.
func (l Latency) rules(from, to []NodeID) []Rule {
	shape := Shape{Delay: l.Delay, Jitter: l.Jitter}
	rules := []Rule{{From: from, To: to, Shape: shape}}
	if !l.BothWays {
		return rules
	}
	// The opposite direction, without the links that the first rule has already: those between two nodes that are on
	// both sides, and those from a node in From alone to a node on both sides.
	fromOnly, toOnly := without(from, to), without(to, from)
	both := without(from, fromOnly)
	if len(toOnly) > 0 {
		rules = append(rules, Rule{From: toOnly, To: from, Shape: shape})
	}
	if len(both) > 0 && len(fromOnly) > 0 {
		rules = append(rules, Rule{From: both, To: fromOnly, Shape: shape})
	}
	return rules
}

// text describes the fault for people.
func (l Latency) text(from, to []NodeID, all int) string {
	amount := l.Delay.String()
	if l.Jitter > 0 {
		amount += " ± " + l.Jitter.String()
	}
	a, b := l.From.text(from), l.To.text(to)
	switch {
	case len(from) == all && len(to) == all:
		return fmt.Sprintf("delay %s on every link", amount)
	case l.BothWays && len(to) == all:
		return fmt.Sprintf("delay %s on every link of %s", amount, a)
	case l.BothWays:
		return fmt.Sprintf("delay %s between %s and %s", amount, a, b)
	}
	if len(from) == all {
		a = "all nodes"
	}
	if len(to) == all {
		b = "all nodes"
	}
	return fmt.Sprintf("delay %s from %s to %s", amount, a, b)
}
