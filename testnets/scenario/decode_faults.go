package scenario

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// faultKinds are the keys that say what a fault is.
var faultKinds = []string{"partition", "latency", "kill", "stop", "pause", "resume", "restart"}

// faults decodes the schedule.
func (d *decoder) faults(n ast.Node) []Fault {
	var out []Fault
	items, _ := d.Items(n, "faults")
	for _, item := range items {
		out = append(out, d.fault(item))
	}
	return out
}

// fault decodes one scheduled fault: at, for, and one kind.
func (d *decoder) fault(n ast.Node) Fault {
	f := Fault{Pos: strictyaml.NodePos(n), Names: make(map[string]strictyaml.Pos)}
	d.names = f.Names
	kind := ""
	fields := []field{
		{"at", true, func(_ strictyaml.Pos, v ast.Node) {
			d.Duration(v, "at", strictyaml.Bounds{Min: 0, Max: MaxDuration}, &f.At)
		}},
		{"for", false, func(_ strictyaml.Pos, v ast.Node) {
			d.Duration(v, "for", strictyaml.Bounds{Min: time.Millisecond, Max: MaxDuration}, &f.For)
		}},
	}
	for _, k := range faultKinds {
		fields = append(fields, field{k, false, func(at strictyaml.Pos, v ast.Node) {
			if kind != "" {
				d.Failf(at, "write two faults", "a fault cannot be both %s and %s", kind, k)
				return
			}
			kind = k
			f.Fault = d.kind(k, at, v)
		}})
	}
	if d.Object(n, "a fault", fields) && kind == "" {
		d.Failf(f.Pos, "add one of: "+strings.Join(faultKinds, ", "), "the fault does not say what happens")
	}
	return f
}

// kind decodes what a fault does.
func (d *decoder) kind(kind string, at strictyaml.Pos, n ast.Node) faults.Fault {
	switch kind {
	case "partition":
		return d.partition(at, n)
	case "latency":
		return d.latency(n)
	}
	nodes := d.selection(n, kind)
	switch kind {
	case "kill":
		return faults.KillNodes{Nodes: nodes}
	case "stop":
		return faults.StopNodes{Nodes: nodes}
	case "pause":
		return faults.PauseNodes{Nodes: nodes}
	case "resume":
		return faults.ResumeNodes{Nodes: nodes}
	}
	return faults.RestartNodes{Nodes: nodes}
}

// selection decodes a choice of nodes: a name, a list of names, or {random: 2, of: miner}.
func (d *decoder) selection(n ast.Node, what string) faults.Select {
	var s faults.Select
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		d.Object(n, what, []field{
			{"random", true, func(_ strictyaml.Pos, v ast.Node) { d.Integer(v, "random", 1, MaxNodes, &s.Random) }},
			{"of", false, func(_ strictyaml.Pos, v ast.Node) { s.Names = d.nameList(v, "of") }},
		})
	default:
		s.Names = d.nameList(n, what)
	}
	return s
}

// nameList decodes a name or a list of names of nodes and roles; at least one.
func (d *decoder) nameList(n ast.Node, what string) []string {
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
func (d *decoder) named(name string, n ast.Node) {
	if _, ok := d.names[name]; !ok {
		d.names[name] = strictyaml.NodePos(n)
	}
}

// partition decodes one of the modes of a partition.
func (d *decoder) partition(at strictyaml.Pos, n ast.Node) faults.Fault {
	var f faults.Fault
	set := func(at strictyaml.Pos, mode faults.Fault) {
		if f != nil {
			d.Failf(at, "write two faults", "a partition has one mode only")
			return
		}
		f = mode
	}
	ok := d.Object(n, "partition", []field{
		{"halves", false, func(at strictyaml.Pos, v ast.Node) {
			how := "random"
			d.Word(v, "halves", []string{"random", "ordered"}, &how)
			set(at, faults.PartitionHalves{Ordered: how == "ordered"})
		}},
		{"groups", false, func(at strictyaml.Pos, v ast.Node) { set(at, faults.PartitionGroups{Groups: d.groups(v)}) }},
		{"isolate", false, func(at strictyaml.Pos, v ast.Node) {
			set(at, faults.PartitionIsolate{Nodes: d.selection(v, "isolate")})
		}},
		{"one_way", false, func(at strictyaml.Pos, v ast.Node) {
			var o faults.PartitionOneWay
			d.Object(v, "one_way", []field{
				{"from", false, func(_ strictyaml.Pos, v ast.Node) { o.From = d.selection(v, "from") }},
				{"to", false, func(_ strictyaml.Pos, v ast.Node) { o.To = d.selection(v, "to") }},
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
func (d *decoder) groups(n ast.Node) []faults.Select {
	var out []faults.Select
	items, _ := d.Items(n, "groups")
	for _, item := range items {
		out = append(out, d.selection(item, "a group"))
	}
	return out
}

// latency decodes a delay and the links that it is on: between two sides, on all links of some nodes, from and to, or
// every link.
func (d *decoder) latency(n ast.Node) faults.Fault {
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
	side := func(key string, out *faults.Select) field {
		return field{key, false, func(at strictyaml.Pos, v ast.Node) {
			if only(at, "from/to") {
				l.BothWays = false
				*out = d.selection(v, key)
			}
		}}
	}
	d.Object(n, "latency", []field{
		{"delay", true, func(_ strictyaml.Pos, v ast.Node) { d.Duration(v, "delay", b, &l.Delay) }},
		{"jitter", false, func(_ strictyaml.Pos, v ast.Node) {
			d.Duration(v, "jitter", strictyaml.Bounds{Min: 0, Max: faults.MaxDelay}, &l.Jitter)
		}},
		{"between", false, func(at strictyaml.Pos, v ast.Node) {
			if only(at, "between") {
				l.From, l.To = d.between(v)
			}
		}},
		{"on", false, func(at strictyaml.Pos, v ast.Node) {
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
func (d *decoder) between(n ast.Node) (a, b faults.Select) {
	sides, ok := n.(*ast.SequenceNode)
	if !ok || len(sides.Values) != 2 {
		d.Failf(strictyaml.NodePos(n), "for example: between: [miner, full]", "between must be a list of two sides")
		return a, b
	}
	return d.selection(sides.Values[0], "between"), d.selection(sides.Values[1], "between")
}
