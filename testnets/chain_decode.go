package testnets

import (
	"path"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// chainDecoder is a decoder of chain files.
type chainDecoder struct {
	decoder
	from *origin
}

// place is where mistakes stand: the file, and its text as long as there are few of them.
func (d *chainDecoder) place() *origin {
	if len(d.errs) >= maxExcerpts {
		return &origin{file: d.file}
	}
	return d.from
}

// chain decodes the whole file.
func (d *chainDecoder) chain(n ast.Node) *Chain {
	c := &Chain{}
	c.RPC.Port, c.RPC.Path = "rpc", "/"
	c.Observe.Every = defaultEvery
	d.object(n, "the chain", []field{
		{"name", true, func(_ Pos, v ast.Node) { d.name(v, "name", maxName, &c.Name) }},
		{"description", false, func(_ Pos, v ast.Node) { c.Description, _ = d.text(v, "description") }},
		{"image", true, func(at Pos, v ast.Node) { d.image(at, v, &c.Image) }},
		{"keys", false, func(_ Pos, v ast.Node) { d.keys(v, c) }},
		{"prepare", false, func(_ Pos, v ast.Node) { c.Prepare = d.prepare(v) }},
		{"start", true, func(at Pos, v ast.Node) { d.start(at, v, &c.Start) }},
		{"ports", true, func(_ Pos, v ast.Node) { c.Ports = d.ports(v) }},
		{"ready", false, func(at Pos, v ast.Node) { c.Ready = d.ready(at, v) }},
		{"peers", false, func(at Pos, v ast.Node) { d.peers(at, v, &c.Peers) }},
		{"first_block", false, func(at Pos, v ast.Node) { c.FirstBlock = d.firstBlock(at, v) }},
		{"warm_up", false, func(_ Pos, v ast.Node) { c.WarmUp = d.warmUp(v) }},
		{"rpc", true, func(at Pos, v ast.Node) { d.rpc(at, v, &c.RPC) }},
		{"calls", true, func(_ Pos, v ast.Node) { c.Calls = d.calls(v) }},
		{"observe", true, func(at Pos, v ast.Node) { d.observe(at, v, &c.Observe) }},
		{"act", false, func(at Pos, v ast.Node) { d.act(at, v, &c.Act) }},
		{"facts", true, func(at Pos, v ast.Node) { d.facts(at, v, &c.Facts) }},
		{"wallet", false, func(at Pos, v ast.Node) { c.Wallet = d.wallet(at, v) }},
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
func (d *chainDecoder) image(at Pos, n ast.Node, i *ImageSpec) {
	i.Pos = at
	var given []string
	var flags Pos
	source := func(key string, out *string, valid *regexp.Regexp, hint string) field {
		return field{key, false, func(_ Pos, v ast.Node) {
			given = append(given, key)
			s, ok := d.text(v, key)
			switch {
			case !ok:
			case s == "" || len(s) > 1024 || valid != nil && !valid.MatchString(s) || strings.ContainsRune(s, 0):
				d.failf(nodePos(v), hint, "image: %q is no value of %s", shorten(s), key)
			default:
				*out = s
			}
		}}
	}
	known := d.object(n, "image", []field{
		source("go", &i.Go, goProgram, "write it as for go install, with a version: go: example.org/module/cmd/node@v1.2.3"),
		{"ldflags", false, func(at Pos, v ast.Node) {
			flags = at
			i.LDFlags, _ = d.text(v, "ldflags")
		}},
		source("binary", &i.Binary, nil, "give the path of a program, from the chain file on"),
		source("ref", &i.Ref, imageRef, "give an image as the engine names it: ref: example/node:v1.2"),
		source("dockerfile", &i.Dockerfile, nil, "give the path of a Dockerfile, from the chain file on"),
	})
	hint := "give exactly one of go, binary, ref, dockerfile"
	switch {
	case len(given) > 1:
		d.failf(nodePos(n), hint, "image has both %s and %s", given[0], given[1])
	case len(given) == 0 && known:
		d.failf(nodePos(n), hint, "image does not say where the image comes from")
	case flags.Line > 0 && len(given) == 1 && given[0] != "go":
		d.failf(flags, "", "ldflags is for go only, not for %s", given[0])
	}
}

// keyKinds are the kinds of keys.
var keyKinds = []string{string(KeyEd25519), string(KeySecp256k1), string(KeyRandom)}

// keys decodes the named keys.
func (d *chainDecoder) keys(n ast.Node, c *Chain) {
	c.Keys = make(map[string]KeyKind)
	d.named(n, "keys", func(name string, _ Pos, v ast.Node) {
		var kind string
		d.word(v, "key "+name, keyKinds, &kind)
		// The name stays known even where its kind is wrong: one mistake, one message.
		c.Keys[name] = KeyKind(kind)
		c.KeyNames = append(c.KeyNames, name)
	})
}

// ports decodes the named ports.
func (d *chainDecoder) ports(n ast.Node) map[string]int {
	ports := make(map[string]int)
	ok := d.named(n, "ports", func(name string, _ Pos, v ast.Node) {
		port := 0
		d.integer(v, "port "+name, 1, 65535, &port)
		ports[name] = port
	})
	if ok && len(ports) == 0 {
		d.failf(nodePos(n), "for example: ports: {p2p: 18555, rpc: 18556}", "ports is empty")
	}
	return ports
}

// named decodes a mapping whose keys are names that templates can use. It returns false when there was a mistake.
func (d *chainDecoder) named(n ast.Node, what string, read func(name string, at Pos, v ast.Node)) bool {
	return d.mapping(n, what, func(key string, at Pos, v ast.Node) bool {
		if !identifier.MatchString(key) {
			d.failf(at, "use letters, digits and _, for example \"block_at\"", "%s: %q is not a name of 1 to 40 characters",
				what, shorten(key))
			return false
		}
		read(key, at, v)
		return true
	})
}

// paths decodes a mapping whose keys are absolute paths.
func (d *chainDecoder) paths(n ast.Node, what string, read func(path string, at Pos, v ast.Node)) {
	d.mapping(n, what, func(key string, at Pos, v ast.Node) bool {
		if d.absolute(at, what, key) {
			read(key, at, v)
			return true
		}
		return false
	})
}

// mapping decodes a mapping with any keys. It returns false when there was a mistake.
func (d *chainDecoder) mapping(n ast.Node, what string, read func(key string, at Pos, v ast.Node) bool) bool {
	entries, good := d.entries(n, what)
	seen := make(map[string]Pos, len(entries))
	for _, e := range entries {
		at := nodePos(e.Key)
		key, ok := scalarText(e.Key)
		if !ok {
			d.failf(at, "", "this cannot be a key")
			good = false
			continue
		}
		if first, twice := seen[key]; twice {
			d.failf(at, "", "key %q is given twice, first in line %d", shorten(key), first.Line)
			good = false
			continue
		}
		seen[key] = at
		good = read(key, at, e.Value) && good
	}
	return good
}

// absolute reports whether p is a clean absolute path of a file or directory.
func (d *chainDecoder) absolute(at Pos, what, p string) bool {
	if len(p) > 1 && len(p) <= 1024 && p[0] == '/' && path.Clean(p) == p && !strings.ContainsRune(p, 0) {
		return true
	}
	hint := "begin with / and leave out . and .. and a / at the end"
	if clean := path.Clean("/" + p); clean != p && clean != "/" && len(clean) < 60 && !strings.ContainsRune(p, 0) {
		hint = "write " + clean
	}
	d.failf(at, hint, "%s: %q is not an absolute path", what, shorten(p))
	return false
}

// template decodes a text.
func (d *chainDecoder) template(n ast.Node, what string) Text {
	s, ok := scalarText(n)
	if !ok {
		d.failf(nodePos(n), quoteHint(n), "%s must be a text, not %s", what, describe(n))
		return Text{Pos: nodePos(n)}
	}
	t, mistake := compileText(d.place(), nodePos(n), s)
	if mistake != nil {
		d.errs = append(d.errs, mistake)
	}
	t.from = d.from
	return t
}

// query decodes a jq expression.
func (d *chainDecoder) query(n ast.Node, what string) Query {
	s, ok := scalarText(n)
	if !ok {
		hint := ""
		switch n.(type) {
		case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode:
			hint = "put the expression in quotes"
		}
		d.failf(nodePos(n), hint, "%s must be a jq expression, not %s", what, describe(n))
		return Query{Pos: nodePos(n)}
	}
	q, mistake := compileQuery(d.place(), nodePos(n), s)
	if mistake != nil {
		d.errs = append(d.errs, mistake)
	}
	q.from = d.from
	return q
}

// optionalQuery is query for a field that may be left out.
func (d *chainDecoder) optionalQuery(key string, out **Query) field {
	return field{key, false, func(_ Pos, v ast.Node) {
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
