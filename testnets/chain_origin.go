package testnets

import (
	"strings"
)

// origin is the file that a part of a chain stands in, for mistakes that show when the part is used. Its source has no
// secrets.
type origin struct {
	file string
	src  []byte
}

// errorAt makes an Error about a place in the file.
func (o *origin) errorAt(pos Pos, msg, hint string) *Error {
	if o == nil {
		return &Error{File: "chain", Pos: pos, Msg: msg, Hint: hint}
	}
	return errorAt(o.file, o.src, pos, msg, hint)
}

// inside returns where a part of a scalar stands: pos is where the scalar begins, line and column (from 1, in
// characters) are the place in its value. Where the file writes the value in another way, as escapes and folded text
// do, that is pos.
func (o *origin) inside(pos Pos, value string, line, column int) Pos {
	lines := strings.Split(value, "\n")
	if o == nil || line < 1 || line > len(lines) || column < 1 {
		return pos
	}
	want := lines[line-1]
	at := Pos{Line: pos.Line + line - 1, Column: pos.Column}
	text, ok := lineOf(o.src, at.Line)
	if !ok || pos.Column > len([]rune(string(text))) {
		return pos
	}
	rest := string([]rune(string(text))[pos.Column-1:])
	switch rest[0] {
	case '|', '>':
		at.Line++
		if text, ok = lineOf(o.src, at.Line); !ok {
			return pos
		}
		trimmed := strings.TrimLeft(string(text), " ")
		at.Column = len(text) - len(trimmed) + 1
		// The value's own indentation is not the file's.
		at.Column -= len(want) - len(strings.TrimLeft(want, " "))
		rest = string(text)[max(0, min(at.Column-1, len(text))):]
	case '"', '\'':
		rest = rest[1:]
		at.Column++
		fallthrough
	default:
		if len(lines) > 1 {
			return pos
		}
	}
	if at.Column < 1 || !strings.HasPrefix(rest, want) {
		return pos
	}
	at.Column += min(column-1, len([]rune(want)))
	return at
}
