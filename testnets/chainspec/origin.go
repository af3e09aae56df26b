package chainspec

import (
	"strings"
	"unicode/utf8"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// origin is the file that a part of a chain stands in, for mistakes that show when the part is used. Its source has no
// secrets.
type origin struct {
	file string
	src  []byte
}

// errorAt makes an Error about a place in the file.
func (o *origin) errorAt(pos strictyaml.Pos, msg, hint string) *strictyaml.Error {
	if o == nil {
		return &strictyaml.Error{File: "chain", Pos: pos, Msg: msg, Hint: hint}
	}
	return strictyaml.ErrorAt(o.file, o.src, pos, msg, hint)
}

// inside returns where a part of a scalar stands: pos is where the scalar begins, line and column (from 1, in
// characters) are the place in its value. Where the file writes the value in another way, as escapes and folded text
// do, that is pos.
func (o *origin) inside(pos strictyaml.Pos, value string, line, column int) strictyaml.Pos {
	lines := strings.Split(value, "\n")
	if o == nil || line < 1 || line > len(lines) || column < 1 {
		return pos
	}
	want, at := lines[line-1], pos
	text, ok := strictyaml.Line(o.src, pos.Line)
	if !ok || pos.Column > utf8.RuneCount(text) {
		return pos
	}
	rest := string([]rune(string(text))[pos.Column-1:])
	switch {
	case rest[0] == '|' || rest[0] == '>':
		at.Line += line
		text, _ = strictyaml.Line(o.src, at.Line)
		rest = strings.TrimLeft(string(text), " ")
		// The value's own indentation is not the file's.
		own := len(want) - len(strings.TrimLeft(want, " "))
		at.Column = len(text) - len(rest) - own + 1
		rest = strings.Repeat(" ", own) + rest
	case len(lines) > 1:
		return pos
	case rest[0] == '"' || rest[0] == '\'':
		at.Column++
		rest = rest[1:]
	}
	if at.Column < 1 || want == "" || !strings.HasPrefix(rest, want) {
		return pos
	}
	at.Column += min(column-1, utf8.RuneCountInString(want))
	return at
}
