package chainspec

import (
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// maxSteps is the most steps of a chain.
const maxSteps = 100

// prepare decodes the steps before the start.
func (d *chainDecoder) prepare(n ast.Node) []Step {
	var steps []Step
	for _, item := range d.steps(n, "prepare") {
		steps = append(steps, d.step(item))
	}
	return steps
}

// steps returns the items of a list of steps, if there are not too many.
func (d *chainDecoder) steps(n ast.Node, key string) []ast.Node {
	items, _ := d.Items(n, key)
	if len(items) > maxSteps {
		d.Failf(strictyaml.NodePos(items[maxSteps]), "", "%s has more than %d steps", key, maxSteps)
		return nil
	}
	return items
}

// eachNode is the field by which a step is repeated for every node.
func (d *chainDecoder) eachNode(out *bool) field {
	return field{"each", false, func(_ strictyaml.Pos, v ast.Node) {
		var word string
		d.Word(v, "each", []string{"node"}, &word)
		*out = word == "node"
	}}
}

// step decodes one step.
func (d *chainDecoder) step(n ast.Node) Step {
	s := Step{Pos: strictyaml.NodePos(n)}
	d.Object(n, "a step", []field{
		{"run", true, func(at strictyaml.Pos, v ast.Node) {
			s.Run = d.templates(v, "run", "an argument")
			if _, list := v.(*ast.SequenceNode); list && len(s.Run) == 0 {
				d.Failf(at, "for example: run: [init, --home, /data]", "run is empty")
			}
		}},
		d.eachNode(&s.EachNode),
		{"files", false, func(_ strictyaml.Pos, v ast.Node) { s.Files = d.files(v) }},
		{"capture", false, func(_ strictyaml.Pos, v ast.Node) { s.Capture = d.captures(v) }},
		{"keep", false, func(_ strictyaml.Pos, v ast.Node) {
			items, _ := d.Items(v, "keep")
			for _, item := range items {
				if p, ok := d.Text(item, "a path to keep"); ok && d.absolute(strictyaml.NodePos(item), "keep", p) {
					s.Keep = append(s.Keep, p)
				}
			}
		}},
	})
	return s
}

// captures decodes what a step gives to later templates.
func (d *chainDecoder) captures(n ast.Node) []Capture {
	var out []Capture
	d.named(n, "capture", func(name string, at strictyaml.Pos, v ast.Node) {
		c := Capture{Name: name, Pos: at}
		file := false
		known := d.Object(v, "a capture", []field{
			{"file", false, func(_ strictyaml.Pos, v ast.Node) {
				file = true
				if p, ok := d.Text(v, "file"); ok && d.absolute(strictyaml.NodePos(v), "file", p) {
					c.File = p
				}
			}},
			{"stdout", false, func(_ strictyaml.Pos, v ast.Node) { d.Boolean(v, "stdout", &c.Stdout) }},
			d.optionalQuery("jq", &c.JQ),
			d.optionalPattern("match", &c.Match),
			{"public", false, func(_ strictyaml.Pos, v ast.Node) { d.Boolean(v, "public", &c.Public) }},
		})
		if c.JQ != nil && c.Match != nil {
			d.Failf(c.Match.Pos, "jq is for JSON, match for other text", "capture %s cannot have both jq and match", name)
		}
		_, null := v.(*ast.NullNode)
		if known && !null && file == c.Stdout {
			d.Failf(strictyaml.NodePos(v), "", "capture %s needs one of file: /path and stdout: true", name)
		}
		out = append(out, c)
	})
	return out
}

// files decodes files to be written.
func (d *chainDecoder) files(n ast.Node) []File {
	var out []File
	d.paths(n, "files", func(path string, at strictyaml.Pos, v ast.Node) {
		out = append(out, File{Path: path, Text: d.template(v, "a file"), Pos: at})
	})
	return out
}

// templates decodes a list of texts.
func (d *chainDecoder) templates(n ast.Node, key, what string) []Text {
	var out []Text
	items, _ := d.Items(n, key)
	for _, item := range items {
		out = append(out, d.template(item, what))
	}
	return out
}

// start decodes how a node is started.
func (d *chainDecoder) start(at strictyaml.Pos, n ast.Node, s *Start) {
	s.Pos = at
	d.Object(n, "start", []field{
		{"args", false, func(_ strictyaml.Pos, v ast.Node) {
			items, _ := d.Items(v, "args")
			for _, item := range items {
				s.Args = append(s.Args, d.arg(item))
			}
		}},
		{"env", false, func(_ strictyaml.Pos, v ast.Node) {
			s.Env = d.templates(v, "env", "an environment variable")
			for _, t := range s.Env {
				if name, _, ok := strings.Cut(t.Source, "="); t.tmpl != nil && (!ok || name == "") {
					d.Failf(t.Pos, "write NAME=VALUE", "env: %q has no name", strictyaml.Shorten(t.Source))
				}
			}
		}},
		{"files", false, func(_ strictyaml.Pos, v ast.Node) { s.Files = d.files(v) }},
		{"sysctls", false, func(_ strictyaml.Pos, v ast.Node) { s.Sysctls = d.sysctls(v) }},
	})
}

// sysctlName is what a setting of a network stack looks like: those that every network namespace has its own of.
var sysctlName = regexp.MustCompile(`^net(\.[a-z0-9_-]+)+$`)

// sysctls decodes settings of a node's network stack.
func (d *chainDecoder) sysctls(n ast.Node) map[string]string {
	out := make(map[string]string)
	d.mapping(n, "sysctls", func(key string, at strictyaml.Pos, v ast.Node) bool {
		if !sysctlName.MatchString(key) {
			d.Failf(at, "for example net.ipv4.tcp_retries2", "sysctls: %q is no setting of a node's own network stack", strictyaml.Shorten(key))
			return false
		}
		value, ok := d.Text(v, key)
		out[key] = value
		return ok
	})
	return out
}

// repeats are the nodes for which an argument can be repeated.
var repeats = []string{ForPeers, ForNodes, ForProducers}

// arg decodes an argument: a text, or `{for: peers, arg: T}`.
func (d *chainDecoder) arg(n ast.Node) Arg {
	a := Arg{Pos: strictyaml.NodePos(n)}
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		a.Text = d.template(n, "an argument")
		return a
	}
	d.Object(n, "a repeated argument", []field{
		{"for", true, func(_ strictyaml.Pos, v ast.Node) { d.Word(v, "for", repeats, &a.For) }},
		{"arg", true, func(_ strictyaml.Pos, v ast.Node) { a.Text = d.template(v, "arg") }},
	})
	return a
}
