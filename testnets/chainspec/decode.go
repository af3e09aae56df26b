package chainspec

import (
	"path"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// chainDecoder is a decoder of chain files.
type chainDecoder struct {
	strictyaml.Decoder
	from *origin
}

// place is where mistakes stand: the file, and its text as long as there are few of them.
func (d *chainDecoder) place() *origin {
	if len(d.Errs) >= strictyaml.MaxExcerpts {
		return &origin{file: d.File}
	}
	return d.from
}

// chain decodes the whole file.
func (d *chainDecoder) chain(n ast.Node) *Chain {
	c := &Chain{}
	c.RPC.Port, c.RPC.Path = "rpc", "/"
	c.Observe.Every = defaultEvery
	d.Object(n, "the chain", []field{
		{"name", true, func(_ strictyaml.Pos, v ast.Node) { d.Name(v, "name", strictyaml.MaxName, &c.Name) }},
		{"description", false, func(_ strictyaml.Pos, v ast.Node) { c.Description, _ = d.Text(v, "description") }},
		{"image", true, func(at strictyaml.Pos, v ast.Node) { d.image(at, v, &c.Image) }},
		{"keys", false, func(_ strictyaml.Pos, v ast.Node) { d.keys(v, c) }},
		{"prepare", false, func(_ strictyaml.Pos, v ast.Node) { c.Prepare = d.prepare(v) }},
		{"start", true, func(at strictyaml.Pos, v ast.Node) { d.start(at, v, &c.Start) }},
		{"ports", true, func(_ strictyaml.Pos, v ast.Node) { c.Ports = d.ports(v) }},
		{"ready", false, func(at strictyaml.Pos, v ast.Node) { c.Ready = d.ready(at, v) }},
		{"peers", false, func(at strictyaml.Pos, v ast.Node) { d.peers(at, v, &c.Peers) }},
		{"first_block", false, func(at strictyaml.Pos, v ast.Node) { c.FirstBlock = d.firstBlock(at, v) }},
		{"warm_up", false, func(_ strictyaml.Pos, v ast.Node) { c.WarmUp = d.warmUp(v) }},
		{"rpc", true, func(at strictyaml.Pos, v ast.Node) { d.rpc(at, v, &c.RPC) }},
		{"calls", true, func(_ strictyaml.Pos, v ast.Node) { c.Calls = d.calls(v) }},
		{"observe", true, func(at strictyaml.Pos, v ast.Node) { d.observe(at, v, &c.Observe) }},
		{"act", false, func(at strictyaml.Pos, v ast.Node) { d.act(at, v, &c.Act) }},
		{"facts", true, func(at strictyaml.Pos, v ast.Node) { d.facts(at, v, &c.Facts) }},
		{"wallet", false, func(at strictyaml.Pos, v ast.Node) { c.Wallet = d.wallet(at, v) }},
	})
	return c
}

// goProgram, imageRef and identifier are what can be written for a Go program, an image, and a name in templates.
var (
	goProgram  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~/+-]*@[A-Za-z0-9][A-Za-z0-9.+_-]*$`)
	imageRef   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@+-]*$`)
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)
)

// image decodes where the image comes from.
func (d *chainDecoder) image(at strictyaml.Pos, n ast.Node, i *ImageSpec) {
	i.Pos = at
	var given []string
	var flags strictyaml.Pos
	source := func(key string, out *string, valid *regexp.Regexp, hint string) field {
		return field{key, false, func(_ strictyaml.Pos, v ast.Node) {
			given = append(given, key)
			s, ok := d.Text(v, key)
			switch {
			case !ok:
			case s == "" || len(s) > 1024 || valid != nil && !valid.MatchString(s) || strings.ContainsRune(s, 0):
				d.Failf(strictyaml.NodePos(v), hint, "image: %q is no value of %s", strictyaml.Shorten(s), key)
			default:
				*out = s
			}
		}}
	}
	known := d.Object(n, "image", []field{
		source("go", &i.Go, goProgram, "write it as for go install, with a version: go: example.org/module/cmd/node@v1.2.3"),
		{"ldflags", false, func(at strictyaml.Pos, v ast.Node) {
			flags = at
			i.LDFlags, _ = d.Text(v, "ldflags")
		}},
		source("binary", &i.Binary, nil, "give the path of a program, from the chain file on"),
		source("ref", &i.Ref, imageRef, "give an image as the engine names it: ref: example/node:v1.2"),
		source("dockerfile", &i.Dockerfile, nil, "give the path of a Dockerfile, from the chain file on"),
	})
	hint := "give exactly one of go, binary, ref, dockerfile"
	switch {
	case len(given) > 1:
		d.Failf(strictyaml.NodePos(n), hint, "image has both %s and %s", given[0], given[1])
	case len(given) == 0 && known:
		d.Failf(strictyaml.NodePos(n), hint, "image does not say where the image comes from")
	case flags.Line > 0 && len(given) == 1 && given[0] != "go":
		d.Failf(flags, "", "ldflags is for go only, not for %s", given[0])
	}
}

// keyKinds are the kinds of keys.
var keyKinds = []string{string(KeyEd25519), string(KeySecp256k1), string(KeyRandom)}

// keys decodes the named keys.
func (d *chainDecoder) keys(n ast.Node, c *Chain) {
	c.Keys = make(map[string]KeyKind)
	d.named(n, "keys", func(name string, _ strictyaml.Pos, v ast.Node) {
		var kind string
		d.Word(v, "key "+name, keyKinds, &kind)
		// The name stays known even where its kind is wrong: one mistake, one message.
		c.Keys[name] = KeyKind(kind)
		c.KeyNames = append(c.KeyNames, name)
	})
}

// ports decodes the named ports.
func (d *chainDecoder) ports(n ast.Node) map[string]int {
	ports := make(map[string]int)
	ok := d.named(n, "ports", func(name string, _ strictyaml.Pos, v ast.Node) {
		port := 0
		d.Integer(v, "port "+name, 1, 65535, &port)
		ports[name] = port
	})
	if ok && len(ports) == 0 {
		d.Failf(strictyaml.NodePos(n), "for example: ports: {p2p: 18555, rpc: 18556}", "ports is empty")
	}
	return ports
}

// named decodes a mapping whose keys are names that templates can use. It returns false when there was a mistake.
func (d *chainDecoder) named(n ast.Node, what string, read func(name string, at strictyaml.Pos, v ast.Node)) bool {
	return d.mapping(n, what, func(key string, at strictyaml.Pos, v ast.Node) bool {
		if !identifier.MatchString(key) {
			d.Failf(at, "use letters, digits and _, for example \"block_at\"", "%s: %q is not a name of 1 to 40 characters",
				what, strictyaml.Shorten(key))
			return false
		}
		read(key, at, v)
		return true
	})
}

// paths decodes a mapping whose keys are absolute paths.
func (d *chainDecoder) paths(n ast.Node, what string, read func(path string, at strictyaml.Pos, v ast.Node)) {
	d.mapping(n, what, func(key string, at strictyaml.Pos, v ast.Node) bool {
		if d.absolute(at, what, key) {
			read(key, at, v)
			return true
		}
		return false
	})
}

// mapping decodes a mapping with any keys. It returns false when there was a mistake.
func (d *chainDecoder) mapping(n ast.Node, what string, read func(key string, at strictyaml.Pos, v ast.Node) bool) bool {
	entries, good := d.Entries(n, what)
	seen := make(map[string]strictyaml.Pos, len(entries))
	for _, e := range entries {
		at := strictyaml.NodePos(e.Key)
		key, ok := strictyaml.ScalarText(e.Key)
		if !ok {
			d.Failf(at, "", "this cannot be a key")
			good = false
			continue
		}
		if first, twice := seen[key]; twice {
			d.Failf(at, "", "key %q is given twice, first in line %d", strictyaml.Shorten(key), first.Line)
			good = false
			continue
		}
		seen[key] = at
		good = read(key, at, e.Value) && good
	}
	return good
}

// absolute reports whether p is a clean absolute path of a file or directory.
func (d *chainDecoder) absolute(at strictyaml.Pos, what, p string) bool {
	if len(p) > 1 && len(p) <= 1024 && p[0] == '/' && path.Clean(p) == p && !strings.ContainsRune(p, 0) {
		return true
	}
	hint := "begin with / and leave out . and .. and a / at the end"
	if clean := path.Clean("/" + p); clean != p && clean != "/" && len(clean) < 60 && !strings.ContainsRune(p, 0) {
		hint = "write " + clean
	}
	d.Failf(at, hint, "%s: %q is not an absolute path", what, strictyaml.Shorten(p))
	return false
}

// template decodes a text.
func (d *chainDecoder) template(n ast.Node, what string) Text {
	s, ok := strictyaml.ScalarText(n)
	if !ok {
		d.Failf(strictyaml.NodePos(n), quoteHint(n), "%s must be a text, not %s", what, strictyaml.Describe(n))
		return Text{Pos: strictyaml.NodePos(n)}
	}
	t, mistake := compileText(d.place(), strictyaml.NodePos(n), s)
	if mistake != nil {
		d.Errs = append(d.Errs, mistake)
	}
	t.from = d.from
	return t
}

// query decodes a jq expression.
func (d *chainDecoder) query(n ast.Node, what string) Query {
	s, ok := strictyaml.ScalarText(n)
	if !ok {
		hint := ""
		switch n.(type) {
		case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode:
			hint = "put the expression in quotes"
		}
		d.Failf(strictyaml.NodePos(n), hint, "%s must be a jq expression, not %s", what, strictyaml.Describe(n))
		return Query{Pos: strictyaml.NodePos(n)}
	}
	q, mistake := compileQuery(d.place(), strictyaml.NodePos(n), s)
	if mistake != nil {
		d.Errs = append(d.Errs, mistake)
	}
	q.from = d.from
	return q
}

// optionalQuery is query for a field that may be left out.
func (d *chainDecoder) optionalQuery(key string, out **Query) field {
	return field{key, false, func(_ strictyaml.Pos, v ast.Node) {
		q := d.query(v, key)
		*out = &q
	}}
}

// quoteTemplates is a hint for templates that YAML takes for mappings.
const quoteTemplates = `put templates in quotes: "{{.Height}}"`

// quoteHint is a hint where a text was meant.
func quoteHint(n ast.Node) string {
	if m, ok := n.(*ast.MappingNode); ok && m.IsFlowStyle {
		return quoteTemplates
	}
	return ""
}
