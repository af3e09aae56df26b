package scenario

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// minAttempts is the least number of attempts that all miners together must make in a block interval. With fewer,
// blocks would not come at random times, which every model of proof of work assumes.
const minAttempts = 10

// validate checks what no single value can show, and settles what depends on the number of nodes.
func (s *Spec) validate() error {
	var errs []*strictyaml.Error
	add := func(pos strictyaml.Pos, hint, format string, args ...any) {
		errs = append(errs, s.ErrorAt(pos, fmt.Sprintf(format, args...), hint))
	}
	s.checkNodes(add)
	if len(errs) > 0 {
		return s.source().Join(errs) // everything else counts nodes
	}
	s.settleTopology()
	s.checkTopology(add)
	s.checkConsensus(add)
	s.checkLoad(add)
	if len(errs) > 0 {
		return s.source().Join(errs)
	}
	_, err := s.PlanFaults()
	return err
}

// report records a mistake at a place.
type report func(pos strictyaml.Pos, hint, format string, args ...any)

// checkNodes checks names and numbers of nodes.
func (s *Spec) checkNodes(add report) {
	total := 0
	byName := make(map[string]*NodeGroup, len(s.Nodes))
	for i := range s.Nodes {
		g := &s.Nodes[i]
		total += g.Count
		if other, taken := byName[g.Name]; taken {
			add(g.Pos, "", "two groups of nodes are called %q, the other one in line %d", g.Name, other.Pos.Line)
			continue
		}
		byName[g.Name] = g
		if total > MaxNodes {
			add(g.Pos, "", "%d nodes are too many, the most is %d", total, MaxNodes)
			return
		}
	}
	for i := range s.Nodes {
		g := &s.Nodes[i]
		if g.Adversary != nil && g.Mine > 0 {
			add(g.Pos, "leave mine out", "%q: adversaries do not mine", g.Name)
		}
		if dash := strings.LastIndexByte(g.Name, '-'); dash > 0 {
			if other := byName[g.Name[:dash]]; other != nil && other.has(g.Name) {
				add(g.Pos, "", "%q would be both a group and a node of group %q", g.Name, other.Name)
			}
		}
	}
}

// has reports whether the group has a node of that name.
func (g *NodeGroup) has(name string) bool {
	number, ok := strings.CutPrefix(name, g.Name+"-")
	i, err := strconv.Atoi(number)
	return ok && err == nil && i >= 1 && i <= g.Count && string(g.node(i-1)) == name
}

// settleTopology chooses the topology where the file does not.
func (s *Spec) settleTopology() {
	t := &s.Topology
	if !t.Default {
		return
	}
	t.Kind, t.Degree = "random_regular", defaultDegree
	if s.honest() <= 5 {
		t.Kind, t.Degree = "full", 0
	}
}

// checkTopology checks that the topology exists for this number of nodes.
func (s *Spec) checkTopology(add report) {
	t, n := &s.Topology, s.honest()
	if t.Kind == "random_regular" {
		switch {
		case t.Degree >= n:
			add(t.Pos, "lower the degree or use full", "degree %d needs more than %d nodes, there are %d", t.Degree, t.Degree, n)
			return
		case n*t.Degree%2 == 1:
			add(t.Pos, "use an even degree", "%d nodes cannot have %d neighbours each: one end would be left over", n, t.Degree)
			return
		}
	}
	if edges := t.count(n); edges > MaxEdges {
		add(t.Pos, "use random_regular", "the topology has %d edges, the most is %d", edges, MaxEdges)
	}
}

// checkConsensus checks that blocks can be made at the requested rate.
func (s *Spec) checkConsensus(add report) {
	if s.Placed {
		return // the nodes make blocks as their own chain says
	}
	pos := s.Consensus.Pos
	if pos.Line == 0 && len(s.Nodes) > 0 {
		pos = s.Nodes[0].Pos
	}
	power := 0.0
	for _, g := range s.Nodes {
		power += g.Mine * float64(g.Count)
	}
	if power == 0 {
		add(pos, "give a group of nodes a rate, for example mine: 200/s", "nobody mines")
		return
	}
	if attempts := power * s.Consensus.BlockInterval.Seconds(); attempts < minAttempts {
		add(pos, "raise mine or block_interval", "all miners together make %.3g attempts in a block_interval of %v, the least is %d",
			attempts, s.Consensus.BlockInterval, minAttempts)
	}
}

// checkLoad checks that loads fit the schedule and have somebody to send to.
func (s *Spec) checkLoad(add report) {
	for _, l := range s.Load {
		switch {
		case s.honest() < 2:
			add(l.Pos, "", "transfers need at least 2 nodes")
		case l.Rate == 0:
			add(l.Pos, "", "the load has no transfers")
		case l.Until > s.Duration:
			add(l.Pos, "", "the load goes on until %v, but the duration is %v", l.Until, s.Duration)
		case l.From >= l.Until:
			add(l.Pos, "", "the load begins at %v and ends at %v", l.From, l.Until)
		}
	}
}

// PlanFaults resolves the schedule; see faults.Plan. Errors are *strictyaml.Error, several of them joined.
func (s *Spec) PlanFaults() ([]faults.Planned, error) {
	if len(s.Faults) == 0 {
		return nil, nil
	}
	list := make([]faults.Scheduled, len(s.Faults))
	for i := range s.Faults {
		list[i] = s.Faults[i].Scheduled
	}
	net := s.Net()
	plan, err := faults.Plan(list, net, s.Seed, s.Duration)
	if err != nil {
		return nil, s.planError(err)
	}
	return plan, nil
}

// planError gives what faults.Plan found wrong its places in the file.
func (s *Spec) planError(err error) error {
	parts := []error{err}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		parts = many.Unwrap()
	}
	var errs []*strictyaml.Error
	for _, part := range parts {
		pos, hint := s.Faults[0].Pos, ""
		var wrong *faults.PlanError
		if errors.As(part, &wrong) {
			pos = s.Faults[wrong.Index].Pos
		}
		var name *faults.NameError
		if wrong != nil && errors.As(part, &name) {
			hint = s.nameHint(name)
			if at, ok := s.Faults[wrong.Index].Names[name.Name]; ok {
				pos = at
			}
		}
		errs = append(errs, s.ErrorAt(pos, part.Error(), hint))
	}
	return s.source().Join(errs)
}

// nameHint says what a fault can name.
func (s *Spec) nameHint(e *faults.NameError) string {
	if e.Nearest != "" {
		return fmt.Sprintf("did you mean %q?", e.Nearest)
	}
	var have []string
	for _, g := range s.Nodes {
		if g.Count == 1 {
			have = append(have, fmt.Sprintf("%s (%s)", g.Name, g.node(0)))
		} else {
			have = append(have, fmt.Sprintf("%s (%s to %s)", g.Name, g.node(0), g.node(g.Count-1)))
		}
	}
	return "there are: " + strings.Join(have, ", ")
}
