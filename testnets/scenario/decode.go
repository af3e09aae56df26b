package scenario

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Parse decodes and checks a scenario. file is its name in messages. Errors are *strictyaml.Error, more than one of them
// joined in the order of the file. Nothing is run and no file is read.
func Parse(file string, src []byte) (*Spec, error) {
	body, err := strictyaml.Parse(file, src, "a scenario")
	if err != nil {
		return nil, err
	}
	s := &Spec{
		File: file, Source: bytes.Clone(src),
		Consensus: Consensus{Family: "pow", BlockInterval: defaultBlockInterval},
		Topology:  Topology{PeerExchange: true, Default: true},
	}
	d := &strictyaml.Decoder{Source: s.source()}
	d.Decode(strictyaml.Node{Node: body, Name: "the scenario"}, s)
	if err := d.Err(); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	return s, nil
}

// Defaults that depend on more than one key.
const (
	defaultBlockInterval = 2 * time.Second
	defaultDegree        = 4
)

// Check implements strictyaml.Checker.
func (s *Spec) Check(m *strictyaml.Mapping) {
	for i := range s.Load {
		if s.Load[i].Until == 0 {
			s.Load[i].Until = s.Duration
		}
	}
	for i, e := range s.Expect {
		first := slices.IndexFunc(s.Expect[:i], func(o Expect) bool { return o.Name == e.Name })
		if first >= 0 && e.Name != "" {
			m.Failf(e.Pos, "", "%s is expected twice, first in line %d", strictyaml.Shorten(e.Name), s.Expect[first].Pos.Line)
		}
	}
}

// UnmarshalYAML decodes {pow: {block_interval: 2s}}.
func (c *Consensus) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	var file struct {
		PoW struct {
			BlockInterval time.Duration `yaml:"block_interval" min:"100ms" max:"1h" default:"2s"`
		} `yaml:"pow,required"`
	}
	file.PoW.BlockInterval = c.BlockInterval
	c.Pos = n.At
	d.Struct(n, &file)
	c.BlockInterval = file.PoW.BlockInterval
}

// UnmarshalYAML decodes `all`, or a list of kinds, each once.
func (a *Adversary) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	valid := append([]string{"all"}, AdversaryKinds...)
	if _, ok := strictyaml.ScalarText(n.Node); ok {
		kind := ""
		d.Word(n.Node, "adversary", valid, &kind)
		*a = Adversary{kind}
		if kind == "all" {
			*a = AdversaryKinds
		}
		return
	}
	items, ok := d.Items(n.Node, "adversary")
	if ok && len(items) == 0 {
		d.Failf(n.At, "write `adversary: all`, or some of: "+strings.Join(AdversaryKinds, ", "), "adversary is empty")
	}
	for _, item := range items {
		kind := ""
		d.Word(item, "adversary", AdversaryKinds, &kind)
		if slices.Contains(*a, kind) && kind != "" {
			d.Failf(strictyaml.NodePos(item), "", "adversary: %s is given twice", kind)
		}
		*a = append(*a, kind)
	}
}

// topologies are the kinds of topology.
var topologies = []string{"full", "ring", "line", "star", "random_regular"}

// UnmarshalYAML decodes a kind alone, or a mapping of the kind to its parameters, with peer_exchange beside it.
func (t *Topology) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	t.Pos = n.At
	if _, ok := strictyaml.ScalarText(n.Node); ok {
		d.Word(n.Node, "topology", topologies, &t.Kind)
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
	fields := []strictyaml.Field{{Key: "peer_exchange", Read: func(_ strictyaml.Pos, v ast.Node) {
		d.Boolean(v, "peer_exchange", &t.PeerExchange)
	}}}
	for _, kind := range topologies {
		parameters := []strictyaml.Field{}
		if kind == "random_regular" {
			parameters = []strictyaml.Field{{Key: "degree", Read: func(_ strictyaml.Pos, v ast.Node) {
				d.Integer(v, "degree", 2, maxDegree, &t.Degree)
			}}}
		}
		fields = append(fields, strictyaml.Field{Key: kind, Read: func(at strictyaml.Pos, v ast.Node) {
			choose(kind, at)
			if _, empty := v.(*ast.NullNode); !empty {
				d.Object(v, kind, parameters)
			}
		}})
	}
	d.Object(n.Node, "topology", fields)
}

// choose sets the kind that the file names.
func (t *Topology) choose(kind string) {
	t.Kind, t.Default, t.Degree = kind, false, 0
	if kind == "random_regular" {
		t.Degree = defaultDegree
	}
}

// UnmarshalYAML decodes `convergence: {within: 20s}`, or the name alone. Whether such an invariant exists is for those who
// judge it to say.
func (e *Expect) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	e.Pos = n.At
	hint := "write `- convergence: {within: 20s}`"
	if name, ok := strictyaml.ScalarText(n.Node); ok {
		e.Name = name
		return
	}
	entries, ok := d.Entries(n.Node, "an expectation with parameters")
	if !ok {
		return
	}
	name, ok := "", false
	if len(entries) == 1 {
		name, ok = strictyaml.ScalarText(entries[0].Key)
	}
	if !ok {
		d.Failf(e.Pos, hint, "an expectation is a name, or one name with its parameters")
		return
	}
	e.Name = name
	if _, empty := entries[0].Value.(*ast.NullNode); empty {
		return
	}
	params, _ := d.Entries(entries[0].Value, "the parameters of "+strictyaml.Shorten(name))
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
}

// faultKinds are the keys that say what a fault is.
var faultKinds = []string{"partition", "latency", "kill", "stop", "pause", "resume", "restart"}

// faultDecoder decodes one fault and collects where it names nodes and roles.
type faultDecoder struct {
	*strictyaml.Decoder
	names map[string]strictyaml.Pos
}

// UnmarshalYAML decodes one scheduled fault: at, for, and one kind.
func (f *Fault) UnmarshalYAML(decoder *strictyaml.Decoder, n strictyaml.Node) {
	f.Pos, f.Names = n.At, make(map[string]strictyaml.Pos)
	d := &faultDecoder{decoder, f.Names}
	kind := ""
	fields := []strictyaml.Field{
		{Key: "at", Required: true, Read: func(_ strictyaml.Pos, v ast.Node) {
			d.Duration(v, "at", strictyaml.Bounds{Min: 0, Max: maxDuration}, &f.At)
		}},
		{Key: "for", Read: func(_ strictyaml.Pos, v ast.Node) {
			d.Duration(v, "for", strictyaml.Bounds{Min: time.Millisecond, Max: maxDuration}, &f.For)
		}},
	}
	for _, k := range faultKinds {
		fields = append(fields, strictyaml.Field{Key: k, Read: func(at strictyaml.Pos, v ast.Node) {
			if kind != "" {
				d.Failf(at, "write two faults", "a fault cannot be both %s and %s", kind, k)
				return
			}
			kind = k
			f.Fault = d.kind(k, at, v)
		}})
	}
	if d.Object(n.Node, n.Name, fields) && kind == "" {
		d.Failf(f.Pos, "add one of: "+strings.Join(faultKinds, ", "), "the fault does not say what happens")
	}
}

// kind decodes what a fault does.
func (d *faultDecoder) kind(kind string, at strictyaml.Pos, n ast.Node) faults.Fault {
	switch kind {
	case "partition":
		return d.partition(at, n)
	case "latency":
		return d.latency(n)
	}
	return faults.NodeFault{Verb: faults.Verb(kind), Nodes: d.selection(n, kind)}
}

// selection decodes a choice of nodes: a name, a list of names, or {random: 2, of: miner}.
func (d *faultDecoder) selection(n ast.Node, what string) faults.Select {
	var s faults.Select
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		d.Object(n, what, []strictyaml.Field{
			{Key: "random", Required: true, Read: func(_ strictyaml.Pos, v ast.Node) { d.Integer(v, "random", 1, MaxNodes, &s.Random) }},
			{Key: "of", Read: func(_ strictyaml.Pos, v ast.Node) { s.Names = d.nameList(v, "of") }},
		})
	default:
		s.Names = d.nameList(n, what)
	}
	return s
}

// nameList decodes a name or a list of names of nodes and roles; at least one.
func (d *faultDecoder) nameList(n ast.Node, what string) []string {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		if s, ok := strictyaml.ScalarText(n); ok {
			d.named(s, n)
			return []string{s}
		}
		d.Failf(strictyaml.NodePos(n), "name a node, a role, or a list of them", "%s names no node", what)
		return nil
	}
	if len(list.Values) == 0 {
		d.Failf(strictyaml.NodePos(n), "name a node, a role, or a list of them", "%s names no node", what)
	}
	var names []string
	for _, v := range list.Values {
		if s, ok := d.Text(v, "a node's name"); ok {
			d.named(s, v)
			names = append(names, s)
		}
	}
	return names
}

// named remembers where a fault names something.
func (d *faultDecoder) named(name string, n ast.Node) {
	if _, ok := d.names[name]; !ok {
		d.names[name] = strictyaml.NodePos(n)
	}
}

// partition decodes one of the modes of a partition.
func (d *faultDecoder) partition(at strictyaml.Pos, n ast.Node) faults.Fault {
	var f faults.Fault
	set := func(at strictyaml.Pos, mode faults.Fault) {
		if f != nil {
			d.Failf(at, "write two faults", "a partition has one mode only")
			return
		}
		f = mode
	}
	ok := d.Object(n, "partition", []strictyaml.Field{
		{Key: "halves", Read: func(at strictyaml.Pos, v ast.Node) {
			how := "random"
			d.Word(v, "halves", []string{"random", "ordered"}, &how)
			set(at, faults.PartitionHalves{Ordered: how == "ordered"})
		}},
		{Key: "groups", Read: func(at strictyaml.Pos, v ast.Node) { set(at, faults.PartitionGroups{Groups: d.groups(v)}) }},
		{Key: "isolate", Read: func(at strictyaml.Pos, v ast.Node) {
			set(at, faults.PartitionIsolate{Nodes: d.selection(v, "isolate")})
		}},
		{Key: "one_way", Read: func(at strictyaml.Pos, v ast.Node) {
			var o faults.PartitionOneWay
			d.Object(v, "one_way", []strictyaml.Field{
				{Key: "from", Read: func(_ strictyaml.Pos, v ast.Node) { o.From = d.selection(v, "from") }},
				{Key: "to", Read: func(_ strictyaml.Pos, v ast.Node) { o.To = d.selection(v, "to") }},
			})
			set(at, o)
		}},
	})
	if ok && f == nil {
		d.Failf(at, "add one of: halves, groups, isolate, one_way", "the partition does not say who is cut from whom")
	}
	return f
}

// groups decodes the groups of a partition.
func (d *faultDecoder) groups(n ast.Node) []faults.Select {
	var out []faults.Select
	items, _ := d.Items(n, "groups")
	for _, item := range items {
		out = append(out, d.selection(item, "a group"))
	}
	return out
}

// latency decodes a delay and the links that it is on: between two sides, on all links of some nodes, from and to, or
// every link.
func (d *faultDecoder) latency(n ast.Node) faults.Fault {
	l := faults.Latency{BothWays: true}
	where := ""
	only := func(at strictyaml.Pos, key string) bool {
		if where != "" && where != key {
			d.Failf(at, "write two faults", "latency cannot have both %s and %s", where, key)
			return false
		}
		where = key
		return true
	}
	b := strictyaml.Bounds{Min: time.Microsecond, Max: faults.MaxDelay}
	side := func(key string, out *faults.Select) strictyaml.Field {
		return strictyaml.Field{Key: key, Read: func(at strictyaml.Pos, v ast.Node) {
			if only(at, "from/to") {
				l.BothWays = false
				*out = d.selection(v, key)
			}
		}}
	}
	d.Object(n, "latency", []strictyaml.Field{
		{Key: "delay", Required: true, Read: func(_ strictyaml.Pos, v ast.Node) { d.Duration(v, "delay", b, &l.Delay) }},
		{Key: "jitter", Read: func(_ strictyaml.Pos, v ast.Node) {
			d.Duration(v, "jitter", strictyaml.Bounds{Min: 0, Max: faults.MaxDelay}, &l.Jitter)
		}},
		{Key: "between", Read: func(at strictyaml.Pos, v ast.Node) {
			if only(at, "between") {
				l.From, l.To = d.between(v)
			}
		}},
		{Key: "on", Read: func(at strictyaml.Pos, v ast.Node) {
			if only(at, "on") {
				l.From = d.selection(v, "on")
			}
		}},
		side("from", &l.From),
		side("to", &l.To),
	})
	return l
}

// between decodes the two sides of latency's between.
func (d *faultDecoder) between(n ast.Node) (a, b faults.Select) {
	sides, ok := n.(*ast.SequenceNode)
	if !ok || len(sides.Values) != 2 {
		d.Failf(strictyaml.NodePos(n), "for example: between: [miner, full]", "between must be a list of two sides")
		return a, b
	}
	return d.selection(sides.Values[0], "between"), d.selection(sides.Values[1], "between")
}
