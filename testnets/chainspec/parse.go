package chainspec

import (
	"bytes"
	"errors"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Parse decodes and checks a chain file. file is its name in messages, and paths in it begin in its directory.
// Errors are *strictyaml.Error, several of them joined in the order of the file. Nothing is run and no file is read.
func Parse(file string, src []byte) (*Chain, error) {
	shown := hideSecrets(src)
	body, err := strictyaml.Parse(file, src, "a chain file")
	if err != nil {
		var at *strictyaml.Error
		if errors.As(err, &at) {
			at.Excerpt = strictyaml.Excerpt(shown, at.Pos)
			if line, _ := strictyaml.Line(shown, at.Pos.Line); at.Hint == "" && bytes.Contains(line, []byte("{{")) {
				at.Hint = quoteTemplates
			}
		}
		return nil, err
	}
	from := &origin{file: file, src: shown}
	d := &chainDecoder{Decoder: strictyaml.Decoder{File: file, Src: shown}, from: from}
	c := d.chain(body)
	if len(d.Errs) > 0 {
		return nil, strictyaml.Join(d.Errs)
	}
	c.File, c.Source = file, bytes.Clone(src)
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

// ErrorAt returns an Error about a place in the chain's file, with an excerpt, for those who find mistakes that only
// show when the chain is used.
func (c *Chain) ErrorAt(pos strictyaml.Pos, msg, hint string) *strictyaml.Error {
	return strictyaml.ErrorAt(c.File, hideSecrets(c.Source), pos, msg, hint)
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

// ReadyPrefix begins Chain.File where the chain is a ready one and not a file of the user's.
const ReadyPrefix = "chain:"
