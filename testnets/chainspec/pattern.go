package chainspec

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// MaxPattern is the most bytes of a regular expression.
const MaxPattern = 1024

// Pattern is a regular expression of a chain file, in Go's syntax (RE2), whose time is linear in the text.
type Pattern struct {
	Source string
	Pos    strictyaml.Pos
	re     *regexp.Regexp
	from   *origin
}

// compilePattern reads a regular expression. Its error is nil or the mistake, at its place.
func compilePattern(from *origin, pos strictyaml.Pos, source string) (Pattern, *strictyaml.Error) {
	p := Pattern{Source: source, Pos: pos, from: from}
	if source == "" {
		return p, from.errorAt(pos, "match is empty", `for example: match: "[0-9a-f]{66}"`)
	}
	if len(source) > MaxPattern {
		return p, from.errorAt(pos, fmt.Sprintf("match has more than %d bytes", MaxPattern), "")
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return p, from.errorAt(pos, "match: "+strings.TrimPrefix(err.Error(), "error parsing regexp: "), "a literal bracket, dot or star needs a \\ before it")
	}
	if re.NumSubexp() > 1 {
		return p, from.errorAt(pos, "match has more than one group", "a group that is not to be taken begins with (?:")
	}
	p.re = re
	return p, nil
}

// Find returns the first match in a text, or the part of it that is in the group where there is one. Errors are *strictyaml.Error,
// at the expression's place, with the beginning of the text.
func (p Pattern) Find(text string) (string, error) {
	if p.re == nil {
		return "", errors.New("the expression was not compiled")
	}
	found := p.re.FindStringSubmatch(text)
	if found == nil {
		return "", p.from.errorAt(p.Pos, fmt.Sprintf("match %s: it is nowhere in the text", strictyaml.Shorten(p.Source)), "the text was "+rawJSON(text))
	}
	return found[len(found)-1], nil
}

// optionalPattern decodes a regular expression that may be left out.
func (d *chainDecoder) optionalPattern(key string, out **Pattern) field {
	return field{key, false, func(_ strictyaml.Pos, v ast.Node) {
		s, ok := d.Text(v, key)
		if !ok {
			return
		}
		p, mistake := compilePattern(d.from, strictyaml.NodePos(v), s)
		if mistake != nil {
			d.Errs = append(d.Errs, mistake)
		}
		*out = &p
	}}
}
