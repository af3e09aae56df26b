package scenario

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Parse decodes and checks a scenario. file is its name in messages. Errors are *strictyaml.Error, several of them joined in the
// order of the file. Nothing is run and no file is read.
func Parse(file string, src []byte) (*Spec, error) {
	body, err := strictyaml.Parse(file, src, "a scenario")
	if err != nil {
		return nil, err
	}
	d := &decoder{Decoder: strictyaml.Decoder{File: file, Src: src}}
	s := d.spec(body)
	if len(d.Errs) > 0 {
		return nil, strictyaml.Join(d.Errs)
	}
	s.File, s.Source = file, bytes.Clone(src)
	if err := s.validate(); err != nil {
		return nil, err
	}
	return s, nil
}

// Defaults of what a scenario may leave out.
const (
	defaultSeed          = 1
	defaultSettle        = 30 * time.Second
	defaultBlockInterval = 2 * time.Second
	defaultRelay         = "inventory"
	defaultDegree        = 4
)

// decoder is a decoder of scenario files.
type decoder struct {
	strictyaml.Decoder
	// names collects where the fault that is being decoded names nodes and roles.
	names map[string]strictyaml.Pos
}

// spec decodes the whole file.
func (d *decoder) spec(n ast.Node) *Spec {
	s := &Spec{
		Seed: defaultSeed, Relay: defaultRelay, Settle: defaultSettle,
		Consensus: Consensus{Family: "pow", BlockInterval: defaultBlockInterval},
		Topology:  Topology{PeerExchange: true, Default: true},
	}
	schedule := strictyaml.Bounds{Min: time.Second, Max: MaxDuration}
	d.Object(n, "the scenario", []field{
		{"name", true, func(_ strictyaml.Pos, v ast.Node) { d.Name(v, "name", strictyaml.MaxName, &s.Name) }},
		{"description", false, func(_ strictyaml.Pos, v ast.Node) { s.Description, _ = d.Text(v, "description") }},
		{"seed", false, func(_ strictyaml.Pos, v ast.Node) { d.seed(v, &s.Seed) }},
		{"nodes", true, func(_ strictyaml.Pos, v ast.Node) { s.Nodes = d.nodes(v) }},
		{"consensus", false, func(at strictyaml.Pos, v ast.Node) { d.consensus(at, v, &s.Consensus) }},
		{"topology", false, func(at strictyaml.Pos, v ast.Node) { d.topology(at, v, &s.Topology) }},
		{"relay", false, func(_ strictyaml.Pos, v ast.Node) { d.Word(v, "relay", []string{"inventory", "flood"}, &s.Relay) }},
		{"load", false, func(_ strictyaml.Pos, v ast.Node) { s.Load = d.load(v) }},
		{"faults", false, func(_ strictyaml.Pos, v ast.Node) { s.Faults = d.faults(v) }},
		{"expect", false, func(_ strictyaml.Pos, v ast.Node) { s.Expect = d.expect(v) }},
		{"duration", true, func(_ strictyaml.Pos, v ast.Node) { d.Duration(v, "duration", schedule, &s.Duration) }},
		{"settle", false, func(_ strictyaml.Pos, v ast.Node) { d.Duration(v, "settle", schedule, &s.Settle) }},
	})
	for i := range s.Load {
		if s.Load[i].Until == 0 {
			s.Load[i].Until = s.Duration
		}
	}
	return s
}

// seed decodes a number of 64 bits.
func (d *decoder) seed(n ast.Node, out *uint64) {
	s, ok := d.Text(n, "seed")
	if !ok {
		return
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		d.Failf(strictyaml.NodePos(n), "", "seed: %q is not a whole number from 0 to 18446744073709551615", strictyaml.Shorten(s))
		return
	}
	*out = v
}

// nodes decodes the list of node groups.
func (d *decoder) nodes(n ast.Node) []NodeGroup {
	items, ok := d.Items(n, "nodes")
	if ok && len(items) == 0 {
		d.Failf(strictyaml.NodePos(n), "for example: nodes: [{name: miner, count: 3, mine: 100/s}]", "nodes is empty")
	}
	groups := make([]NodeGroup, 0, len(items))
	for _, item := range items {
		g := NodeGroup{Count: 1, Pos: strictyaml.NodePos(item)}
		d.Object(item, "a group of nodes", []field{
			{"name", true, func(_ strictyaml.Pos, v ast.Node) { d.Name(v, "name", strictyaml.MaxRole, &g.Name) }},
			{"count", false, func(_ strictyaml.Pos, v ast.Node) { d.Integer(v, "count", 1, MaxNodes, &g.Count) }},
			{"mine", false, func(_ strictyaml.Pos, v ast.Node) { d.Rate(v, "mine", MaxMine, &g.Mine) }},
		})
		groups = append(groups, g)
	}
	return groups
}

// consensus decodes the chain's rules.
func (d *decoder) consensus(at strictyaml.Pos, n ast.Node, c *Consensus) {
	c.Pos = at
	d.Object(n, "consensus", []field{
		{"pow", true, func(_ strictyaml.Pos, v ast.Node) {
			d.Object(v, "pow", []field{{"block_interval", false, func(_ strictyaml.Pos, v ast.Node) {
				d.Duration(v, "block_interval", strictyaml.Bounds{Min: 100 * time.Millisecond, Max: time.Hour}, &c.BlockInterval)
			}}})
		}},
	})
}

// topologies are the kinds of topology.
var topologies = []string{"full", "ring", "line", "star", "random_regular"}

// topology decodes a kind alone, or a mapping of the kind to its parameters, with peer_exchange beside it.
func (d *decoder) topology(at strictyaml.Pos, n ast.Node, t *Topology) {
	t.Pos = at
	if _, ok := strictyaml.ScalarText(n); ok {
		d.Word(n, "topology", topologies, &t.Kind)
		t.choose(t.Kind)
		return
	}
	choose := func(kind string, at strictyaml.Pos) {
		if !t.Default {
			d.Failf(at, "", "topology cannot be both %s and %s", t.Kind, kind)
			return
		}
		t.choose(kind)
	}
	fields := []field{{"peer_exchange", false, func(_ strictyaml.Pos, v ast.Node) {
		d.Boolean(v, "peer_exchange", &t.PeerExchange)
	}}}
	for _, kind := range topologies {
		parameters := []field{}
		if kind == "random_regular" {
			parameters = []field{{"degree", false, func(_ strictyaml.Pos, v ast.Node) {
				d.Integer(v, "degree", 2, maxDegree, &t.Degree)
			}}}
		}
		fields = append(fields, field{kind, false, func(at strictyaml.Pos, v ast.Node) {
			choose(kind, at)
			if _, empty := v.(*ast.NullNode); !empty {
				d.Object(v, kind, parameters)
			}
		}})
	}
	d.Object(n, "topology", fields)
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
	items, _ := d.Items(n, "load")
	for _, item := range items {
		l := Load{Pos: strictyaml.NodePos(item)}
		b := strictyaml.Bounds{Min: 0, Max: MaxDuration}
		d.Object(item, "a load", []field{
			{"transfers", true, func(_ strictyaml.Pos, v ast.Node) { d.Rate(v, "transfers", MaxTransfers, &l.Rate) }},
			{"from", false, func(_ strictyaml.Pos, v ast.Node) { d.Duration(v, "from", b, &l.From) }},
			{"until", false, func(_ strictyaml.Pos, v ast.Node) {
				d.Duration(v, "until", strictyaml.Bounds{Min: time.Nanosecond, Max: MaxDuration}, &l.Until)
			}},
		})
		loads = append(loads, l)
	}
	return loads
}

// expect decodes the list of invariants. Whether they exist is for the one who judges them to say.
func (d *decoder) expect(n ast.Node) []Expect {
	var out []Expect
	items, _ := d.Items(n, "expect")
	for _, item := range items {
		e := Expect{Pos: strictyaml.NodePos(item)}
		if name, ok := strictyaml.ScalarText(item); ok {
			e.Name = name
		} else if !d.expectation(item, &e) {
			continue
		}
		if i := slices.IndexFunc(out, func(o Expect) bool { return o.Name == e.Name }); i >= 0 {
			d.Failf(e.Pos, "", "%s is expected twice, first in line %d", strictyaml.Shorten(e.Name), out[i].Pos.Line)
			continue
		}
		out = append(out, e)
	}
	return out
}

// expectation decodes `convergence: {within: 20s}`.
func (d *decoder) expectation(n ast.Node, e *Expect) bool {
	hint := "write `- convergence: {within: 20s}`"
	entries, ok := d.Entries(n, "an expectation with parameters")
	if !ok {
		return false
	}
	name, ok := "", false
	if len(entries) == 1 {
		name, ok = strictyaml.ScalarText(entries[0].Key)
	}
	if !ok {
		d.Failf(e.Pos, hint, "an expectation is a name, or one name with its parameters")
		return false
	}
	e.Name = name
	if _, empty := entries[0].Value.(*ast.NullNode); empty {
		return true
	}
	params, ok := d.Entries(entries[0].Value, "the parameters of "+strictyaml.Shorten(name))
	for _, p := range params {
		key, isName := strictyaml.ScalarText(p.Key)
		value, isValue := d.Text(p.Value, strictyaml.Shorten(key))
		if !isName || !isValue {
			continue
		}
		at := strictyaml.NodePos(p.Key)
		if slices.ContainsFunc(e.Params, func(o Param) bool { return o.Name == key }) {
			d.Failf(at, "", "key %q is given twice", strictyaml.Shorten(key))
			continue
		}
		e.Params = append(e.Params, Param{Name: key, Value: value, Pos: at})
	}
	return ok
}
