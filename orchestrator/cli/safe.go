package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// safeWriter is the one place where text leaves the program for a terminal or the log of a build server. What nodes, traces and
// files of others say is part of that text, and must not act there:
//
//   - Control characters, bytes that are no text, and characters that reverse the direction of text are written as \u001b or
//     \x9b. Newlines and tabs stay, and so do the program's own colours, where it uses any.
//   - Commands of build servers are broken up: "::" at the beginning of a line (GitHub), and "##" with a word and "[" anywhere
//     (GitHub, Azure, TeamCity).
//
// In a JSON text all of this is within strings, where \u001b means the same. Close writes what is left of an incomplete character.
type safeWriter struct {
	w      io.Writer
	colour bool

	mu      sync.Mutex
	pending []byte // an incomplete character or escape sequence
	began   bool   // the line has more than white space
	colon   bool   // the line has a colon so far
	hashes  int    // "#" in a row, or before the word that is being written
	out     []byte
}

// colours are the parameters of the escape sequences that colours are made of.
var colours = map[string]bool{
	"0": true, "1": true, "22": true, "31": true, "32": true, "33": true, "90": true, "": true,
}

// Write implements io.Writer.
func (s *safeWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := append(s.pending, p...)
	s.pending, s.out = nil, s.out[:0]
	for len(text) > 0 {
		if text[0] == '\x1b' && s.colour {
			n, whole := colourLength(text)
			if !whole {
				s.pending = append(s.pending, text...)
				break
			}
			if n > 0 {
				s.out = append(s.out, text[:n]...)
				text = text[n:]
				continue
			}
		}
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(text) {
				s.pending = append(s.pending, text...)
				break
			}
			s.began, s.hashes = true, 0
			s.out = fmt.Appendf(s.out, `\x%02x`, text[0])
		} else {
			s.rune(r)
		}
		text = text[n:]
	}
	if _, err := s.w.Write(s.out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what is left, as bytes. It does not close the writer below.
func (s *safeWriter) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []byte
	for _, b := range s.pending {
		out = fmt.Appendf(out, `\x%02x`, b)
	}
	s.pending = nil
	if len(out) == 0 {
		return nil
	}
	_, err := s.w.Write(out)
	return err
}

// maxColour is the length of the longest escape sequence that sets a colour.
const maxColour = 16

// colourLength is the length of the colour's escape sequence that text begins with, 0 if it is another one. whole is false
// where more text is needed to tell.
func colourLength(text []byte) (n int, whole bool) {
	for i, b := range text[:min(len(text), maxColour)] {
		switch {
		case i == 0, i == 1 && b == '[', i > 1 && (b == ';' || b >= '0' && b <= '9'):
		case i > 1 && b == 'm':
			for code := range strings.SplitSeq(string(text[2:i]), ";") {
				if !colours[code] {
					return 0, true
				}
			}
			return i + 1, true
		default:
			return 0, true
		}
	}
	return 0, len(text) >= maxColour
}

// rune appends a character.
func (s *safeWriter) rune(r rune) {
	hashes := s.hashes
	s.hashes = 0
	switch {
	case r == '\n':
		s.began, s.colon = false, false
		s.out = append(s.out, '\n')
		return
	case r == '\t' || r == ' ':
		s.colon = false
		s.out = append(s.out, byte(r))
		return
	case r == '#':
		s.hashes = hashes + 1
	case hashes >= 2 && (unicode.IsLetter(r) || unicode.IsDigit(r)):
		s.hashes = hashes
	}
	colon := s.colon
	s.colon = r == ':' && !s.began
	s.began = true
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029', unicode.Is(unicode.Bidi_Control, r),
		r == ':' && colon, r == '[' && hashes >= 2:
		s.out = fmt.Appendf(s.out, `\u%04x`, r)
	default:
		s.out = utf8.AppendRune(s.out, r)
	}
}
