package strictyaml

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
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
}

// MaxErrors is the most mistakes of one file that are reported together.
const MaxErrors = 20

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

// ErrorAt makes an Error with its excerpt. A zero pos is about the whole file.
func ErrorAt(file string, src []byte, pos Pos, msg, hint string) *Error {
	return &Error{File: file, Pos: pos, Msg: msg, Hint: hint, Excerpt: Excerpt(src, pos)}
}

// maxExcerpt is the most columns of a line that an excerpt shows.
const maxExcerpt = 100

// excerpt shows a line of src and a caret under the column:
//
//	12 | nodse:
//	   | ^
func Excerpt(src []byte, pos Pos) string {
	line, ok := Line(src, pos.Line)
	if !ok || pos.Column < 1 {
		return ""
	}
	text := []rune(strings.ToValidUTF8(string(line), "?"))
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

// Line returns line n of src, counted from 1, without its end.
func Line(src []byte, n int) ([]byte, bool) {
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

// Join returns the mistakes in the order of the file as one error, nil when there are none.
func Join(list []*Error) error {
	slices.SortStableFunc(list, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	errs := make([]error, 0, len(list))
	for i, e := range list {
		if i == MaxErrors {
			errs = append(errs, fmt.Errorf("%s: %d more mistakes", e.File, len(list)-i))
			break
		}
		errs = append(errs, e)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
