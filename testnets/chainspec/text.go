package chainspec

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Bounds of a text.
const (
	MaxText     = 128 << 10 // bytes of its source
	MaxRendered = 4 << 20   // bytes of what it renders to, and of what its functions give
	maxPieces   = 1 << 20   // pieces that it is written in; every turn of a range is one at least
)

// Text is a template of a chain file. The zero Text renders to nothing.
type Text struct {
	Source string
	Pos    strictyaml.Pos
	tmpl   *template.Template
	from   *origin
}

// compileText reads a template. Its error is nil or the mistake, at its place. Names are checked by checkNames.
func compileText(from *origin, pos strictyaml.Pos, source string) (Text, *strictyaml.Error) {
	t := Text{Source: source, Pos: pos, from: from}
	if len(source) > MaxText {
		return t, from.errorAt(pos, fmt.Sprintf("the text has more than %d bytes", MaxText), "")
	}
	tmpl, err := template.New("t").Option("missingkey=error").Funcs(textFuncs).Funcs(guardFuncs).Parse(source)
	if err != nil {
		return t, t.mistake(err)
	}
	t.tmpl = tmpl
	return t, t.guard()
}

// Render renders the text with data, which has the names listed with the chain file's documentation as keys. Errors are
// *strictyaml.Error, at the place of the mistake.
func (t Text) Render(data any) (string, error) {
	if t.tmpl == nil {
		return t.Source, nil
	}
	out := &bounded{}
	if err := t.tmpl.Execute(out, data); err != nil {
		return "", t.mistake(err)
	}
	return out.String(), nil
}

// templatePlace is how text/template begins its messages: the place, and for mistakes in use what was executed.
var templatePlace = regexp.MustCompile(`^template: t:(\d+)(?::(\d+))?: (?:executing "t" at )?`)

// guardPrefix is how messages about the functions of guard begin, which nobody wrote.
var guardPrefix = regexp.MustCompile(`^<(?:` + walked + `|` + written + `)>: error calling (?:` + walked + `|` + written + `): `)

// mistake puts an error of text/template into our form.
func (t Text) mistake(err error) *strictyaml.Error {
	msg, pos := err.Error(), t.Pos
	if errors.Is(err, errTooLong) {
		return t.from.errorAt(pos, errTooLong.Error(), "")
	}
	if m := templatePlace.FindStringSubmatch(msg); m != nil {
		line, _ := strconv.Atoi(m[1])
		column := 1
		if m[2] != "" {
			column, _ = strconv.Atoi(m[2])
			column++ // text/template counts from 0
		}
		pos = t.from.inside(t.Pos, t.Source, line, column)
		msg = guardPrefix.ReplaceAllString(msg[len(m[0]):], "")
	}
	return t.from.errorAt(pos, "template: "+msg, "")
}

// errTooLong stops a template that writes without end.
var errTooLong = fmt.Errorf("the text renders to more than %d bytes, or in more than %d steps", MaxRendered, maxPieces)

// bounded is a text of at most MaxRendered bytes in at most maxPieces pieces, empty ones included.
type bounded struct {
	strings.Builder
	steps int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.steps++; b.steps > maxPieces || b.Len()+len(p) > MaxRendered {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

// at returns where an offset of the text's source stands in the file.
func (t Text) at(offset int) strictyaml.Pos {
	before := t.Source[:max(0, min(offset, len(t.Source)))]
	line := strings.Count(before, "\n") + 1
	before = before[strings.LastIndexByte(before, '\n')+1:]
	return t.from.inside(t.Pos, t.Source, line, utf8.RuneCountInString(before)+1)
}
