package strictyaml

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/netsplit/netsplit/faults"
)

// Pos is a place in the file; Line and Column count from 1.
type Pos struct {
	Line, Column int
}

// Error is a mistake in a file.
type Error struct {
	File string
	Pos  Pos
	Msg  string // what is wrong
	Hint string // what to do; may be empty
	// Excerpt is the offending line of the file with a caret under the column; may be empty.
	Excerpt string
	hidden  bool // the line holds a secret and is never shown
}

// Source is a file as messages name and show it.
type Source struct {
	File string // its name
	Text []byte // what excerpts show: the file, with secrets hidden if it has any
}

// maxErrors is the most mistakes of one file that are reported together.
const maxErrors = 20

// Error implements error: the place and the mistake, and below it the excerpt and the hint, indented.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Pos.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Pos.Line, e.Pos.Column)
	}
	fmt.Fprintf(&b, ": %s", e.Msg)
	if e.Excerpt != "" {
		for _, line := range strings.Split(e.Excerpt, "\n") {
			b.WriteString("\n  ")
			b.WriteString(line)
		}
	}
	if e.Hint != "" {
		b.WriteString("\n  hint: ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// ErrorAt returns an Error about a place in the file, with its excerpt. A zero pos is about the whole file.
func (s *Source) ErrorAt(pos Pos, msg, hint string) *Error {
	return &Error{File: s.File, Pos: pos, Msg: msg, Hint: hint, Excerpt: excerpt(s.Text, pos)}
}

// maxExcerpt is the most columns of a line that an excerpt shows.
const maxExcerpt = 100

// excerpt shows a line of src and a caret under the column:
//
//	12 | nodse:
//	   | ^
func excerpt(src []byte, pos Pos) string {
	found, ok := line(src, pos.Line)
	if !ok || pos.Column < 1 {
		return ""
	}
	text := []rune(strings.ToValidUTF8(string(found), "?"))
	for i, r := range text {
		if !unicode.IsPrint(r) {
			text[i] = ' '
		}
	}
	caret := min(pos.Column-1, len(text))
	if over := caret - (maxExcerpt - 10); over > 0 {
		text, caret = text[over:], caret-over
	}
	if len(text) > maxExcerpt {
		text = text[:maxExcerpt]
	}
	number := fmt.Sprint(pos.Line)
	return fmt.Sprintf("%s | %s\n%s | %s^", number, strings.TrimRight(string(text), " "),
		strings.Repeat(" ", len(number)), strings.Repeat(" ", caret))
}

// line returns line n of src, counted from 1, without its end.
func line(src []byte, n int) ([]byte, bool) {
	src = bytes.TrimPrefix(src, []byte(byteOrderMark))
	if n < 1 {
		return nil, false
	}
	for ; n > 1; n-- {
		i := bytes.IndexByte(src, '\n')
		if i < 0 {
			return nil, false
		}
		src = src[i+1:]
	}
	if i := bytes.IndexByte(src, '\n'); i >= 0 {
		src = src[:i]
	}
	return bytes.TrimSuffix(src, []byte("\r")), true
}

// Join returns the mistakes in the order of the file as one error, nil when there are none. It gives the first maxErrors
// their excerpts and counts the others.
func (s *Source) Join(list []*Error) error {
	slices.SortStableFunc(list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	errs := make([]error, 0, len(list))
	for i, e := range list {
		if i == maxErrors {
			errs = append(errs, fmt.Errorf("%s: %d more mistakes", e.File, len(list)-i))
			break
		}
		if !e.hidden {
			e.Excerpt = excerpt(s.Text, e.Pos)
		}
		errs = append(errs, e)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// Inside returns where a part of a scalar stands: pos is where the scalar begins, row and column (from 1, in characters)
// are the place in its value. Where the file writes the value in another way, as escapes and folded text do, that is pos.
func (s *Source) Inside(pos Pos, value string, row, column int) Pos {
	lines := strings.Split(value, "\n")
	if row < 1 || row > len(lines) || column < 1 {
		return pos
	}
	want, at := lines[row-1], pos
	text, ok := line(s.Text, pos.Line)
	if !ok || pos.Column > utf8.RuneCount(text) {
		return pos
	}
	rest := string([]rune(string(text))[pos.Column-1:])
	switch {
	case rest[0] == '|' || rest[0] == '>':
		at.Line += row
		text, _ = line(s.Text, at.Line)
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

// Offset is Inside for a place given as a byte offset in the value.
func (s *Source) Offset(pos Pos, value string, offset int) Pos {
	before := value[:max(0, min(offset, len(value)))]
	row := strings.Count(before, "\n") + 1
	before = before[strings.LastIndexByte(before, '\n')+1:]
	return s.Inside(pos, value, row, utf8.RuneCountInString(before)+1)
}

// Suggest is a hint for a word that is not one of valid, which are kinds of what ("keys").
func Suggest(word, what string, valid []string) string {
	if n := faults.Nearest(word, valid); n != "" {
		return `did you mean "` + n + `"?`
	}
	if len(valid) == 0 {
		return "there are no " + what + " here"
	}
	return "valid " + what + ": " + strings.Join(valid, ", ")
}
