package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize is the most bytes of a file.
const MaxSize = 1 << 20

// Bounds that keep the YAML parser's time and stack small whatever the file says.
const (
	MaxTokens = 40_000
	maxDepth  = 32
	maxColumn = 256 // of what opens a block; each level of nesting needs a column more
)

// byteOrderMark may begin a file that an editor of Windows wrote.
const byteOrderMark = "\ufeff"

// Parse returns the root of the file's only document. what names such a file in messages: "a scenario". Errors are *Error.
func Parse(file string, src []byte, what string) (ast.Node, error) {
	s := Source{File: file, Text: src}
	if len(src) > MaxSize {
		return nil, s.ErrorAt(Pos{}, fmt.Sprintf("the file has more than %d bytes", MaxSize), "")
	}
	if !utf8.Valid(src) {
		return nil, s.ErrorAt(Pos{}, "the file is not UTF-8 text", "")
	}
	doc, err := parseDocument(bytes.TrimPrefix(src, []byte(byteOrderMark)), what)
	if err == nil {
		return doc, nil
	}
	var at *syntaxError
	if errors.As(err, &at) {
		return nil, s.ErrorAt(at.pos, at.msg, at.hint)
	}
	return nil, s.ErrorAt(Pos{}, err.Error(), "")
}

// syntaxError is a mistake in the YAML itself, or a part of YAML that scenarios do not use.
type syntaxError struct {
	pos       Pos
	msg, hint string
}

func (e *syntaxError) Error() string { return e.msg }

// parseDocument is Parse without the file. The YAML library is the only code here that may panic on what it does
// not expect; that must be an error about the file, not the end of the program.
func parseDocument(src []byte, what string) (body ast.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			body, err = nil, fmt.Errorf("the file cannot be read as YAML: %v", p)
		}
	}()
	tokens := lexer.Tokenize(string(src))
	if err := checkTokens(tokens, what); err != nil {
		return nil, err
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var y yaml.Error
		if errors.As(err, &y) && y.GetToken() != nil {
			return nil, librarySyntaxError(y, src)
		}
		return nil, err
	}
	var docs []*ast.DocumentNode
	for _, doc := range f.Docs {
		if doc.Body != nil {
			docs = append(docs, doc)
		}
	}
	switch len(docs) {
	case 0:
		return nil, errors.New("the file is empty")
	case 1:
		return docs[0].Body, nil
	}
	return nil, &syntaxError{pos: NodePos(docs[1].Body), msg: "a second document begins here; " + what + " is one document"}
}

// librarySyntaxError puts an error of the YAML library into our form. Its message may quote the file as it is.
func librarySyntaxError(y yaml.Error, src []byte) *syntaxError {
	e := &syntaxError{pos: tokenPos(y.GetToken()), msg: y.GetMessage()}
	if strings.Contains(e.msg, "\t") || strings.Contains(e.msg, "tab character") {
		e.hint = "indent with spaces"
	}
	if strings.Contains(e.msg, "not allowed in this context") {
		if other, wrong, ok := wrongIndentation(src, e.pos.Line); ok {
			e.pos = wrong
			e.msg = fmt.Sprintf("the indentation of line %d differs from that of line %d", wrong.Line, other)
			e.hint = "keys of one mapping begin in the same column"
		}
	}
	e.msg = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ReplaceAll(e.msg, "\t", `\t`))
	return e
}

// wrongIndentation finds the line whose indentation made the parser give up at line n: the next one with text where that is
// indented more, else n itself where it differs from the one before. other is the line that it differs from.
func wrongIndentation(src []byte, n int) (other int, wrong Pos, ok bool) {
	next := func(from, step int) (at, width int) {
		for at = from; ; at += step {
			found, ok := line(src, at)
			if rest := bytes.TrimLeft(found, " "); !ok || len(rest) > 0 && rest[0] != '#' {
				return at, len(found) - len(rest)
			}
		}
	}
	_, width := next(n, 1)
	if below, deeper := next(n+1, 1); deeper > width {
		return n, Pos{Line: below, Column: deeper + 1}, true
	}
	above, before := next(n-1, -1)
	return above, Pos{Line: n, Column: width + 1}, above > 0 && before != width
}

// refused are the parts of YAML that scenarios do not use.
var refused = map[token.Type]string{
	token.AnchorType:     "anchors (&)",
	token.AliasType:      "aliases (*)",
	token.MergeKeyType:   "merge keys (<<)",
	token.TagType:        "tags (!)",
	token.DirectiveType:  "directives (%)",
	token.MappingKeyType: "complex keys (?)",
}

// checkTokens refuses what the parser should not be given.
func checkTokens(tokens token.Tokens, what string) error {
	if len(tokens) > MaxTokens {
		return &syntaxError{
			pos: tokenPos(tokens[MaxTokens]),
			msg: fmt.Sprintf("the file is too long: it has more than %d words and marks", MaxTokens),
		}
	}
	depth := 0
	for _, tk := range tokens {
		if part, ok := refused[tk.Type]; ok {
			return &syntaxError{
				pos: tokenPos(tk), msg: what + " cannot use YAML " + part,
				hint: "write the value out, in quotes if it is meant as text",
			}
		}
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth = max(0, depth-1)
		case token.SequenceEntryType, token.MappingValueType:
			if depth == 0 && tk.Position.Column > maxColumn {
				return &syntaxError{pos: tokenPos(tk), msg: fmt.Sprintf("begins beyond column %d", maxColumn)}
			}
		}
		if depth > maxDepth {
			return &syntaxError{pos: tokenPos(tk), msg: fmt.Sprintf("nested more than %d deep", maxDepth)}
		}
	}
	return nil
}

// tokenPos is where a token begins.
func tokenPos(tk *token.Token) Pos {
	if tk == nil || tk.Position == nil {
		return Pos{}
	}
	return Pos{Line: max(1, tk.Position.Line), Column: max(1, tk.Position.Column)}
}

// NodePos is where a node begins; of a block mapping that is its first key.
func NodePos(n ast.Node) Pos {
	switch n := n.(type) {
	case nil:
		return Pos{}
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return NodePos(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return NodePos(n.Key)
	}
	return tokenPos(n.GetToken())
}
