package testnets

import (
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Defaults of what a scenario may leave out.
const (
	defaultSeed          = 1
	defaultSettle        = 30 * time.Second
	defaultBlockInterval = 2 * time.Second
	defaultRelay         = "inventory"
	defaultDegree        = 4
)

// spec decodes the whole file.
func (d *decoder) spec(n ast.Node) *Spec {
	s := &Spec{
		Seed: defaultSeed, Relay: defaultRelay, Settle: defaultSettle,
		Consensus: Consensus{Family: "pow", BlockInterval: defaultBlockInterval},
		Topology:  Topology{PeerExchange: true, Default: true},
	}
	schedule := bounds{time.Second, MaxDuration}
	d.object(n, "the scenario", []field{
		{"name", true, func(_ Pos, v ast.Node) { d.name(v, "name", maxName, &s.Name) }},
		{"description", false, func(_ Pos, v ast.Node) { s.Description, _ = d.text(v, "description") }},
		{"seed", false, func(_ Pos, v ast.Node) { d.seed(v, &s.Seed) }},
		{"nodes", true, func(_ Pos, v ast.Node) { s.Nodes = d.nodes(v) }},
		{"consensus", false, func(at Pos, v ast.Node) { d.consensus(at, v, &s.Consensus) }},
		{"topology", false, func(at Pos, v ast.Node) { d.topology(at, v, &s.Topology) }},
		{"relay", false, func(_ Pos, v ast.Node) { d.word(v, "relay", []string{"inventory", "flood"}, &s.Relay) }},
		{"load", false, func(_ Pos, v ast.Node) { s.Load = d.load(v) }},
		{"faults", false, func(_ Pos, v ast.Node) { s.Faults = d.faults(v) }},
		{"expect", false, func(_ Pos, v ast.Node) { s.Expect = d.expect(v) }},
		{"duration", true, func(_ Pos, v ast.Node) { d.duration(v, "duration", schedule, &s.Duration) }},
		{"settle", false, func(_ Pos, v ast.Node) { d.duration(v, "settle", schedule, &s.Settle) }},
	})
	for i := range s.Load {
		if s.Load[i].Until == 0 {
			s.Load[i].Until = s.Duration
		}
	}
	return s
}

// nodes decodes the list of node groups.
func (d *decoder) nodes(n ast.Node) []NodeGroup {
	items, ok := d.items(n, "nodes")
	if ok && len(items) == 0 {
		d.failf(nodePos(n), "for example: nodes: [{name: miner, count: 3, mine: 100/s}]", "nodes is empty")
	}
	groups := make([]NodeGroup, 0, len(items))
	for _, item := range items {
		g := NodeGroup{Count: 1, Pos: nodePos(item)}
		d.object(item, "a group of nodes", []field{
			{"name", true, func(_ Pos, v ast.Node) { d.name(v, "name", maxRole, &g.Name) }},
			{"count", false, func(_ Pos, v ast.Node) { d.integer(v, "count", 1, MaxNodes, &g.Count) }},
			{"mine", false, func(_ Pos, v ast.Node) { d.rate(v, "mine", MaxMine, &g.Mine) }},
		})
		groups = append(groups, g)
	}
	return groups
}

// consensus decodes the chain's rules.
func (d *decoder) consensus(at Pos, n ast.Node, c *Consensus) {
	c.Pos = at
	d.object(n, "consensus", []field{
		{"pow", true, func(_ Pos, v ast.Node) {
			d.object(v, "pow", []field{{"block_interval", false, func(_ Pos, v ast.Node) {
				d.duration(v, "block_interval", bounds{100 * time.Millisecond, time.Hour}, &c.BlockInterval)
			}}})
		}},
	})
}

// topologies are the kinds of topology.
var topologies = []string{"full", "ring", "line", "star", "random_regular"}

// topology decodes a kind alone, or a mapping of the kind to its parameters, with peer_exchange beside it.
func (d *decoder) topology(at Pos, n ast.Node, t *Topology) {
	t.Pos = at
	if _, ok := scalarText(n); ok {
		d.word(n, "topology", topologies, &t.Kind)
		t.choose(t.Kind)
		return
	}
	choose := func(kind string, at Pos) {
		if !t.Default {
			d.failf(at, "", "topology cannot be both %s and %s", t.Kind, kind)
			return
		}
		t.choose(kind)
	}
	fields := []field{{"peer_exchange", false, func(_ Pos, v ast.Node) {
		d.boolean(v, "peer_exchange", &t.PeerExchange)
	}}}
	for _, kind := range topologies {
		parameters := []field{}
		if kind == "random_regular" {
			parameters = []field{{"degree", false, func(_ Pos, v ast.Node) {
				d.integer(v, "degree", 2, maxDegree, &t.Degree)
			}}}
		}
		fields = append(fields, field{kind, false, func(at Pos, v ast.Node) {
			choose(kind, at)
			if _, empty := v.(*ast.NullNode); !empty {
				d.object(v, kind, parameters)
			}
		}})
	}
	d.object(n, "topology", fields)
}

// choose sets the kind that the file names.
func (t *Topology) choose(kind string) {
	t.Kind, t.Default, t.Degree = kind, false, 0
	if kind == "random_regular" {
		t.Degree = defaultDegree
	}
}

// load decodes the list of loads.
func (d *decoder) load(n ast.Node) []Load {
	var loads []Load
	items, _ := d.items(n, "load")
	for _, item := range items {
		l := Load{Pos: nodePos(item)}
		b := bounds{0, MaxDuration}
		d.object(item, "a load", []field{
			{"transfers", true, func(_ Pos, v ast.Node) { d.rate(v, "transfers", MaxTransfers, &l.Rate) }},
			{"from", false, func(_ Pos, v ast.Node) { d.duration(v, "from", b, &l.From) }},
			{"until", false, func(_ Pos, v ast.Node) {
				d.duration(v, "until", bounds{time.Nanosecond, MaxDuration}, &l.Until)
			}},
		})
		loads = append(loads, l)
	}
	return loads
}

// expect decodes the list of invariants. Whether they exist is for the one who judges them to say.
func (d *decoder) expect(n ast.Node) []Expect {
	var out []Expect
	items, _ := d.items(n, "expect")
	for _, item := range items {
		e := Expect{Pos: nodePos(item)}
		if name, ok := scalarText(item); ok {
			e.Name = name
		} else if !d.expectation(item, &e) {
			continue
		}
		if i := slices.IndexFunc(out, func(o Expect) bool { return o.Name == e.Name }); i >= 0 {
			d.failf(e.Pos, "", "%s is expected twice, first in line %d", shorten(e.Name), out[i].Pos.Line)
			continue
		}
		out = append(out, e)
	}
	return out
}

// expectation decodes `convergence: {within: 20s}`.
func (d *decoder) expectation(n ast.Node, e *Expect) bool {
	hint := "write `- convergence: {within: 20s}`"
	entries, ok := d.entries(n, "an expectation with parameters")
	if !ok {
		return false
	}
	name, ok := "", false
	if len(entries) == 1 {
		name, ok = scalarText(entries[0].Key)
	}
	if !ok {
		d.failf(e.Pos, hint, "an expectation is a name, or one name with its parameters")
		return false
	}
	e.Name = name
	if _, empty := entries[0].Value.(*ast.NullNode); empty {
		return true
	}
	params, ok := d.entries(entries[0].Value, "the parameters of "+shorten(name))
	for _, p := range params {
		key, isName := scalarText(p.Key)
		value, isValue := d.text(p.Value, shorten(key))
		if !isName || !isValue {
			continue
		}
		at := nodePos(p.Key)
		if slices.ContainsFunc(e.Params, func(o Param) bool { return o.Name == key }) {
			d.failf(at, "", "key %q is given twice", shorten(key))
			continue
		}
		e.Params = append(e.Params, Param{Name: key, Value: value, Pos: at})
	}
	return ok
}
