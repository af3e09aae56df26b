package chainspec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// ReadyPrefix begins Chain.File where the chain is a ready one and not a file of the user's.
const ReadyPrefix = "chain:"

// quoteTemplates is a hint for templates that YAML takes for mappings.
const quoteTemplates = `put templates in quotes: "{{.Height}}"`

// Parse decodes and checks a chain file. file is its name in messages, and paths in it begin in its directory. Errors are
// *strictyaml.Error, more than one of them joined in the order of the file. Nothing is run and no file is read.
func Parse(file string, src []byte) (*Chain, error) {
	c := &Chain{File: file, Source: bytes.Clone(src)}
	from := c.source()
	body, err := strictyaml.Parse(file, src, "a chain file")
	if err != nil {
		var at *strictyaml.Error
		if errors.As(err, &at) {
			hint := at.Hint
			err = from.ErrorAt(at.Pos, at.Msg, hint) // with secrets hidden
			if shown := from.ErrorAt(at.Pos, at.Msg, quoteTemplates); hint == "" && strings.Contains(shown.Excerpt, "{{") {
				err = shown
			}
		}
		return nil, err
	}
	d := &strictyaml.Decoder{Source: from}
	d.Decode(strictyaml.Node{Node: body, Name: "the chain"}, c)
	if err := d.Err(); err != nil {
		return nil, err
	}
	if err := c.validate(from); err != nil {
		return nil, err
	}
	for _, p := range []*string{&c.Image.Binary, &c.Image.Dockerfile} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(file), *p)
		}
	}
	return c, nil
}

// source is the file as messages show it, without secrets.
func (c *Chain) source() *strictyaml.Source {
	return &strictyaml.Source{File: c.File, Text: hideSecrets(c.Source)}
}

// ErrorAt returns an Error about a place in the chain's file, with an excerpt, for those who find mistakes that only
// show when the chain is used.
func (c *Chain) ErrorAt(pos strictyaml.Pos, msg, hint string) *strictyaml.Error {
	return c.source().ErrorAt(pos, msg, hint)
}

// secretValue finds values that no message may show, by the key before them. The value may begin in the next line.
var secretValue = regexp.MustCompile(`(?i)` +
	`(\b(?:pas\w*|pwd|bear\w*|private_?key)["']?[ \t]*:[ \t]*(?:[|>][-+0-9]*[ \t]*)?(?:\r?\n[ \t]+)?|\bbasic["']?[ \t]*:[ \t]+)` +
	`("[^"\n]*"|'[^'\n]*'|[^ \t\n][^\n]*)`)

// hideSecrets returns src with stars in place of secrets, for excerpts. Templates are no secrets: what they render to is.
func hideSecrets(src []byte) []byte {
	return secretValue.ReplaceAllFunc(src, func(all []byte) []byte {
		m := secretValue.FindSubmatch(all)
		key, value := m[1], m[2]
		if bytes.Contains(value, []byte("{{")) {
			return all
		}
		if bytes.HasPrefix(bytes.ToLower(key), []byte("basic")) && value[0] == '{' {
			return append(bytes.Clone(key), hideSecrets(value)...) // a mapping, as it should be
		}
		hidden := bytes.Map(func(r rune) rune {
			if strings.ContainsRune(" ,{}[]\"'\r", r) {
				return r
			}
			return '*'
		}, value)
		return append(bytes.Clone(key), hidden...)
	})
}

// Check implements strictyaml.Checker.
func (c *Chain) Check(m *strictyaml.Mapping) {
	if keys := m.Value["keys"]; keys != nil && len(c.Keys) > 0 {
		entries, _ := m.Entries(keys, "keys")
		for _, e := range entries {
			if name, _ := strictyaml.ScalarText(e.Key); c.Keys[name] != "" {
				c.KeyNames = append(c.KeyNames, name)
			}
		}
	}
	for name, call := range c.Calls {
		call.Name = name
		c.Calls[name] = call
	}
}

// Check implements strictyaml.Checker.
func (i *ImageSpec) Check(m *strictyaml.Mapping) {
	var given []string
	for _, key := range []string{"go", "binary", "ref", "dockerfile"} {
		if m.Has(key) {
			given = append(given, key)
		}
	}
	hint := "give exactly one of go, binary, ref, dockerfile"
	switch {
	case len(given) > 1:
		m.Failf(m.Pos, hint, "image has both %s and %s", given[0], given[1])
	case len(given) == 0 && m.Known:
		m.Failf(m.Pos, hint, "image does not say where the image comes from")
	case m.Has("ldflags") && len(given) == 1 && given[0] != "go":
		m.Failf(m.Keys["ldflags"], "", "ldflags is for go only, not for %s", given[0])
	case m.Has("ldflags"):
		if err := checkLinkerFlags(i.LDFlags); err != nil {
			m.Failf(strictyaml.NodePos(m.Value["ldflags"]), "", "%v", err)
		}
	}
}

// UnmarshalYAML decodes files by their absolute paths.
func (f *Files) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	d.Mapping(n.Node, n.Name, func(key string, at strictyaml.Pos, value ast.Node) bool {
		if !absolute(d, at, n.Name, key) {
			return false
		}
		file := File{Path: key, Pos: at}
		d.Decode(strictyaml.Node{Node: value, Name: "a file", At: at}, &file.Text)
		*f = append(*f, file)
		return true
	})
}

// UnmarshalYAML decodes a list of absolute paths.
func (p *Paths) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	items, _ := d.Items(n.Node, n.Name)
	for _, item := range items {
		if s, ok := d.Text(item, "a path of "+n.Name); ok && absolute(d, strictyaml.NodePos(item), n.Name, s) {
			*p = append(*p, s)
		}
	}
}

// absolute reports whether p is a clean absolute path of a file or directory.
func absolute(d *strictyaml.Decoder, at strictyaml.Pos, what, p string) bool {
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

// UnmarshalYAML decodes captures by their names, in the order of the file.
func (c *Captures) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	d.NamedMapping(n, func(name string, at strictyaml.Pos, value ast.Node) {
		capture := Capture{Name: name}
		d.Decode(strictyaml.Node{Node: value, Name: "capture." + name, At: at}, &capture)
		*c = append(*c, capture)
	})
}

// Check implements strictyaml.Checker.
func (c *Capture) Check(m *strictyaml.Mapping) {
	if v := m.Value["file"]; v != nil && c.File != "" {
		absolute(m.Decoder, strictyaml.NodePos(v), "file", c.File)
	}
	if c.JQ != nil && c.Match != nil {
		m.Failf(c.Match.Pos, "jq is for JSON, match for other text", "%s cannot have both jq and match", m.Name)
	}
	if m.Known && m.Has("file") == c.Stdout {
		m.Failf(m.Pos, "", "%s needs one of file: /path and stdout: true", m.Name)
	}
}

// UnmarshalYAML decodes an environment: a list of NAME=VALUE, or a mapping of names to values.
func (e *Env) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	switch n.Node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		d.Mapping(n.Node, n.Name, func(name string, at strictyaml.Pos, value ast.Node) bool {
			if name == "" || strings.ContainsAny(name, "=\x00") {
				d.Failf(at, "", "env: %q cannot be a name", strictyaml.Shorten(name))
				return false
			}
			var t Text
			d.Decode(strictyaml.Node{Node: value, Name: n.Name + "." + name, At: at}, &t)
			*e = append(*e, t.prefixed(name+"="))
			return true
		})
		return
	}
	var list []Text
	d.Decode(strictyaml.Node{Node: n.Node, Name: n.Name, At: n.At, Tag: `item:"an environment variable"`}, &list)
	for _, t := range list {
		if name, _, ok := strings.Cut(t.Source, "="); t.tmpl != nil && (!ok || name == "") {
			d.Failf(t.Pos, "write NAME=VALUE", "env: %q has no name", strictyaml.Shorten(t.Source))
		}
	}
	*e = list
}

// sysctlName is what a setting of a network stack looks like: those that every network namespace has its own of.
var sysctlName = regexp.MustCompile(`^net(\.[a-z0-9_-]+)+$`)

// UnmarshalYAML decodes settings of a node's network stack. They are kept as written.
func (s *Sysctls) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	*s = make(Sysctls)
	d.Mapping(n.Node, n.Name, func(key string, at strictyaml.Pos, value ast.Node) bool {
		if !sysctlName.MatchString(key) {
			d.Failf(at, "for example net.ipv4.tcp_retries2", "sysctls: %q is not a setting of a node's own network stack", strictyaml.Shorten(key))
			return false
		}
		text, ok := d.Text(value, key)
		(*s)[key] = text
		return ok
	})
}

// memoryText is what an amount of memory looks like.
var memoryText = regexp.MustCompile(`^([0-9]{1,7})(MiB|GiB)$`)

// The bounds of a Memory.
const (
	minMemory Memory = 16 << 20
	maxMemory Memory = 1 << 40
)

// UnmarshalYAML decodes an amount of memory such as 512MiB.
func (m *Memory) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	text, ok := d.Text(n.Node, n.Name)
	if !ok {
		return
	}
	parts := memoryText.FindStringSubmatch(text)
	if parts == nil {
		d.Failf(strictyaml.NodePos(n.Node), "write a whole number and a unit: 512MiB, 2GiB", "%s: %q is no amount of memory", n.Name, strictyaml.Shorten(text))
		return
	}
	number, _ := strconv.ParseInt(parts[1], 10, 64) // seven digits
	unit := Memory(1 << 20)
	if parts[2] == "GiB" {
		unit = 1 << 30
	}
	if *m = Memory(number) * unit; *m < minMemory || *m > maxMemory {
		d.Failf(strictyaml.NodePos(n.Node), "", "%s: %s is out of range, 16MiB to 1024GiB", n.Name, text)
	}
}

// UnmarshalYAML decodes an argument: a text, or {for: peers, arg: T}.
func (a *Arg) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	switch n.Node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		n.Name = "a repeated argument"
		d.Struct(n, a)
	default:
		a.Pos = n.At
		d.Decode(n, &a.Text)
	}
}

// UnmarshalYAML decodes a name of a call, or a list of such.
func (c *CallRefs) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	items := []ast.Node{n.Node}
	if list, ok := n.Node.(*ast.SequenceNode); ok {
		items = list.Values
		if len(items) == 0 {
			d.Failf(strictyaml.NodePos(n.Node), "", "%s is empty", n.Name)
		}
	}
	for _, item := range items {
		if name, ok := d.Text(item, n.Name); ok {
			*c = append(*c, CallRef{Name: name, Pos: strictyaml.NodePos(item)})
		}
	}
}

// UnmarshalYAML decodes topology, or {call: NAME}.
func (p *Peers) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	s, ok := strictyaml.ScalarText(n.Node)
	switch p.Pos = n.At; {
	case !ok:
		d.Struct(n, p)
	case s != "topology":
		d.Failf(strictyaml.NodePos(n.Node), "write topology, or {call: NAME}", "peers: unknown value %q", strictyaml.Shorten(s))
	}
}

// Check implements strictyaml.Checker.
func (r *RPC) Check(m *strictyaml.Mapping) {
	if v := m.Value["port"]; v != nil {
		r.Pos = strictyaml.NodePos(v)
	}
	if r.Bearer != nil && r.Basic != nil {
		m.Failf(m.Keys["bearer"], "", "rpc cannot have both basic and bearer")
	}
}

// UnmarshalYAML decodes user and password. No message shows what stands there.
func (b *Basic) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	if _, ok := strictyaml.ScalarText(n.Node); ok {
		d.FailHidden(strictyaml.NodePos(n.Node), "write basic: {user: ..., password: ...}", "basic must be a mapping with user and password")
		return
	}
	d.Struct(n, b)
}

// Check implements strictyaml.Checker.
func (c *Call) Check(m *strictyaml.Mapping) {
	if p := c.Path; p != nil && p.tmpl != nil && !strings.HasPrefix(p.Source, "/") && !strings.HasPrefix(p.Source, "{{") {
		m.Failf(p.Pos, "begin with /", "path: %q is not a path", strictyaml.Shorten(p.Source))
	}
	if p := c.Params; p != nil && p.List == nil && p.Fields == nil {
		m.Failf(p.Pos, "write params: [...]", "params must be a list or a mapping, not %s", strictyaml.Describe(m.Value["params"]))
	}
}

// UnmarshalYAML decodes a parameter in its YAML shape.
func (v *Value) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	v.Pos = strictyaml.NodePos(n.Node)
	switch node := n.Node.(type) {
	case *ast.NullNode, nil:
	case *ast.BoolNode:
		v.Plain = node.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		s := node.GetToken().Value
		if !json.Valid([]byte(s)) {
			d.Failf(v.Pos, "write it in decimal, or in quotes if it is meant as text", "%q is not a number of JSON", strictyaml.Shorten(s))
		}
		v.Plain = json.Number(s)
	case *ast.SequenceNode:
		v.List = make([]Value, len(node.Values))
		for i, item := range node.Values {
			d.Decode(strictyaml.Node{Node: item}, &v.List[i])
		}
	case *ast.MappingNode, *ast.MappingValueNode:
		v.Fields = []ValueField{}
		d.Mapping(node, "a parameter", func(key string, _ strictyaml.Pos, item ast.Node) bool {
			f := ValueField{Key: key}
			d.Decode(strictyaml.Node{Node: item}, &f.Value)
			v.Fields = append(v.Fields, f)
			return true
		})
	default:
		v.Text = new(Text)
		d.Decode(strictyaml.Node{Node: n.Node, Name: "a parameter"}, v.Text)
	}
}

// Check implements strictyaml.Checker.
func (a *Arrival) Check(m *strictyaml.Mapping) {
	if given := len(m.Value); m.Known && given != 1 {
		m.Failf(m.Pos, "", "arrival needs one of log and websocket, and has %d of them", given)
	}
}

// Check implements strictyaml.Checker.
func (w *WebsocketArrival) Check(m *strictyaml.Mapping) {
	if m.Known && w.Hash == nil && w.Height == nil {
		m.Failf(m.Pos, "for example: height: .params.number", "websocket needs hash, height or both")
	}
}

// Check compiles the pattern.
func (l *LogArrival) Check(m *strictyaml.Mapping) {
	const example = `for example: pattern: 'added block height=(?P<height>[0-9]+)'`
	if l.Source == "" && !m.Has("pattern") {
		return
	}
	at := strictyaml.NodePos(m.Value["pattern"])
	re, msg, hint := compileRegexp(l.Source)
	switch {
	case re == nil:
		m.Failf(at, hint, "pattern: %s", msg)
		return
	case re.NumSubexp() == 0:
		m.Failf(at, example, "pattern has no group named hash or height")
		return
	}
	for _, name := range re.SubexpNames()[1:] {
		if name == "" {
			m.Failf(at, example, "pattern has a group without a name; a group that is not to be taken begins with (?:")
			return
		}
		if name != "hash" && name != "height" {
			m.Failf(at, "name groups hash or height; a group that is not to be taken begins with (?:", "pattern has the group %q", name)
			return
		}
	}
	l.re = re
}

// Find returns what a line that a node printed says about a new block: its hash, its height or both; ok is false where it
// is about none.
func (l *LogArrival) Find(line []byte) (hash string, height uint64, ok bool) {
	if l.re == nil {
		return "", 0, false
	}
	found := l.re.FindSubmatch(line)
	if found == nil {
		return "", 0, false
	}
	for i, name := range l.re.SubexpNames() {
		switch {
		case name == "hash" && len(found[i]) > 0:
			hash, ok = string(found[i]), true
		case name == "height" && len(found[i]) > 0:
			h, err := strconv.ParseUint(strings.ReplaceAll(string(found[i]), ",", ""), 10, 64)
			if err != nil {
				return "", 0, false
			}
			height, ok = h, true
		}
	}
	return hash, height, ok
}

// Check implements strictyaml.Checker.
func (a *Act) Check(m *strictyaml.Mapping) {
	const submits = "add submit: {call: NAME}"
	switch {
	case a.Tx != nil && a.Coins != nil:
		m.Failf(a.Coins.Pos, "remove one of them", "act has both tx and coins, and each makes the transaction")
	case a.Tx != nil && a.Submit == nil:
		m.Failf(a.Tx.Pos, submits, "act has a tx, but nothing submits it")
	case a.Coins != nil && a.Submit == nil:
		m.Failf(a.Coins.Pos, submits, "act has coins, but nothing submits what spends them")
	}
}

// Check implements strictyaml.Checker.
func (f *Facts) Check(m *strictyaml.Mapping) {
	if f.BlockInterval > 0 && m.Has("block_interval_step") {
		m.Failf(m.Keys["block_interval_step"], "remove one of them", "block_interval_step is for chains whose block_interval is the scenario's, and this one has its own")
	}
	if q := m.Value["quorum"]; f.Family == FamilyBFT && f.Quorum > 0 && f.Quorum < 0.5 {
		m.Failf(strictyaml.NodePos(q), "most chains of this family need more than 2/3", "quorum: in a bft chain no two components can both have it, so it is 1/2 or more")
	}
}

// Check implements strictyaml.Checker.
func (w *Wallet) Check(m *strictyaml.Mapping) {
	const whose = "add account: the address that it belongs to"
	switch {
	case !m.Known:
	case len(m.Value) == 0:
		m.Failf(m.Pos, `for example: wallet: {chain_id: "{{.Network}}"}`, "wallet is empty")
	case w.PrivateKey != nil && w.Account == nil:
		m.Failf(w.PrivateKey.Pos, whose, "wallet has a private_key and no account")
	case w.Funds != nil && w.Account == nil:
		m.Failf(w.Funds.Pos, whose, "wallet has funds and no account")
	}
}

// MaxPattern is the most bytes of a regular expression.
const MaxPattern = 1024

// compileRegexp compiles a regular expression in Go's syntax (RE2), whose time is linear in the text. Where it is none, msg
// says why, and hint what to do.
func compileRegexp(source string) (re *regexp.Regexp, msg, hint string) {
	switch {
	case source == "":
		return nil, "the expression is empty", `for example "[0-9a-f]{66}"`
	case len(source) > MaxPattern:
		return nil, fmt.Sprintf("the expression has more than %d bytes", MaxPattern), ""
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, strings.TrimPrefix(err.Error(), "error parsing regexp: "), "a literal bracket, dot or star needs a \\ before it"
	}
	return re, "", ""
}

// Pattern is a regular expression that takes a part of a text.
type Pattern struct {
	Source string
	Pos    strictyaml.Pos
	re     *regexp.Regexp
	from   *strictyaml.Source
}

// UnmarshalYAML decodes and compiles the expression.
func (p *Pattern) UnmarshalYAML(d *strictyaml.Decoder, n strictyaml.Node) {
	s, ok := d.Text(n.Node, n.Name)
	if !ok {
		return
	}
	*p = Pattern{Source: s, Pos: strictyaml.NodePos(n.Node), from: d.Source}
	re, msg, hint := compileRegexp(s)
	switch {
	case re == nil:
		d.Failf(p.Pos, hint, "%s: %s", n.Name, msg)
	case re.NumSubexp() > 1:
		d.Failf(p.Pos, "a group that is not to be taken begins with (?:", "%s has more than one group", n.Name)
	}
	p.re = re
}

// Find returns the first match in a text, or the part of it that is in the group where there is one. Errors are
// *strictyaml.Error, at the expression's place, with the beginning of the text.
func (p Pattern) Find(text string) (string, error) {
	found := p.re.FindStringSubmatch(text)
	if found == nil {
		return "", p.from.ErrorAt(p.Pos, fmt.Sprintf("match %s: no match in the text", strictyaml.Shorten(p.Source)), "the text was "+rawJSON(text))
	}
	return found[len(found)-1], nil
}
