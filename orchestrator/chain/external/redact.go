package external

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// minSecret is the shortest text that is hidden: replacing less would garble messages more than it protects.
	minSecret = 4
	// minCaptured is that of what steps captured, which may be anything.
	minCaptured = 8
	// maxCapturedLines is the most lines of such a text that are hidden one by one: a key has fewer, a genesis may have more.
	maxCapturedLines = 100
	// maxShown is the most bytes of an answer that a message shows.
	maxShown = 300
	// maxLooked is the most bytes of an answer of which those are taken: what hides secrets may be shorter than they are.
	maxLooked = 64 << 10
)

// cutMarks are what stands where somebody, such as a library that writes a message, has cut a text short.
var cutMarks = []string{"...", " ...", "…"}

// redactor hides secrets in what is shown to people. It is safe for concurrent use.
type redactor struct {
	mu sync.RWMutex
	// secrets are in lower case, the longest first, by their first minSecret bytes: a text is walked once, however many
	// there are.
	secrets map[string][]string
}

// add makes texts secret, in whatever case they are written, and as JSON and messages quote them.
func (r *redactor) add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets == nil {
		r.secrets = make(map[string][]string)
	}
	for _, s := range secrets {
		for _, written := range spellings(s) {
			r.put(lowerASCII(written))
		}
	}
}

// put adds a secret in lower case, once.
func (r *redactor) put(s string) {
	if len(s) < minSecret {
		return
	}
	list := r.secrets[s[:minSecret]]
	i, known := slices.BinarySearchFunc(list, s, func(a, b string) int {
		return cmp.Or(len(b)-len(a), strings.Compare(a, b))
	})
	if !known {
		r.secrets[s[:minSecret]] = slices.Insert(list, i, s)
	}
}

// spellings are the ways in which a text may stand in a message: as it is, in JSON, in Go's quotes.
func spellings(s string) []string {
	out := []string{s}
	quoted := []string{asJSON(s), strconv.Quote(s)}
	if text, err := json.Marshal(s); err == nil { // in which < and > are escaped
		quoted = append(quoted, string(text))
	}
	for _, q := range quoted {
		out = append(out, q[1:len(q)-1])
	}
	return out
}

// text returns s without secrets. Secrets that overlap or touch are hidden as one, and so is the beginning of a secret
// that was cut short.
func (r *redactor) text(s string) string {
	return r.replace(s, func(string) string { return "[secret]" })
}

// mask returns s with a star in the place of each character of a secret, so that all else stays in its place.
func (r *redactor) mask(s string) string {
	return r.replace(s, func(secret string) string {
		return strings.Map(func(c rune) rune {
			if c == '\n' || c == '\r' {
				return c
			}
			return '*'
		}, secret)
	})
}

// brief makes a text fit for a message: without secrets, then shortened. In this order, no secret is cut in two and then
// missed.
func (r *redactor) brief(s string) string {
	if len(s) > maxLooked {
		s = s[:maxLooked] + cutMarks[0]
	}
	return shorten(r.text(s))
}

// replace returns s with hide's result in the place of each part that is secret.
func (r *redactor) replace(s string, hide func(secret string) string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.secrets) == 0 {
		return s
	}
	lower := lowerASCII(s)
	var b strings.Builder
	done := 0 // s is written, or hidden, up to here
	for i := 0; i+minSecret <= len(lower); i++ {
		from, end := i, i+r.at(lower[i:])
		if from == end {
			continue
		}
		for i++; i <= end && i+minSecret <= len(lower); i++ {
			end = max(end, i+r.at(lower[i:]))
		}
		b.WriteString(s[done:from])
		b.WriteString(hide(s[from:end]))
		done, i = end, end
	}
	b.WriteString(s[done:])
	return b.String()
}

// at returns the length of the longest secret, or of the beginning of one that was cut short, with which a text in lower
// case begins, 0 for none.
func (r *redactor) at(lower string) int {
	longest := 0
	for _, secret := range r.secrets[lower[:minSecret]] {
		n := common(lower, secret)
		if n == len(secret) {
			return max(n, longest)
		}
		if n > longest && isCut(lower[n:]) {
			longest = n
		}
	}
	return longest
}

// common returns how many bytes two texts begin with alike.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// isCut reports whether what follows a text says that it was cut there.
func isCut(rest string) bool {
	return slices.ContainsFunc(cutMarks, func(mark string) bool { return strings.HasPrefix(rest, mark) })
}

// lowerASCII keeps the length of every character, so that places in the result are places in s.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// secretsIn lists what is to be hidden of a text that a step captured: all of it, and its lines, since programs print
// line by line. Numbers and short words, which stand everywhere, are not.
func secretsIn(captured string) []string {
	parts := []string{captured}
	if lines := strings.Split(strings.TrimSpace(captured), "\n"); len(lines) <= maxCapturedLines {
		parts = append(parts, lines...)
	}
	var out []string
	for _, p := range parts {
		p = strings.TrimPrefix(strings.TrimSpace(p), "0x")
		if _, err := strconv.ParseFloat(p, 64); len(p) < minCaptured || err == nil && len(p) <= len("18446744073709551615") {
			continue
		}
		out = append(out, p)
	}
	return out
}

// shorten makes a text without secrets fit for a message.
func shorten(text string) string {
	s := strings.ToValidUTF8(text[:min(len(text), maxShown)], "?")
	s = strings.Join(strings.Fields(s), " ")
	if len(text) > maxShown {
		s += cutMarks[0]
	}
	return s
}

// asText writes a decoded value: a text as it is, all else as JSON.
func asText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return asJSON(v)
}

// asJSON writes a decoded value as JSON in which <, > and & are themselves.
func asJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprintf("a %T", v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// err returns an error whose text has no secrets and which is err otherwise, nil for nil.
func (r *redactor) err(err error) error {
	if err == nil {
		return nil
	}
	return retold(err, r.text(err.Error()))
}

// redacted is an error whose own text must not be shown.
type redacted struct {
	text string
	err  error
}

// Error implements error.
func (e *redacted) Error() string { return e.text }

// Is reports on the hidden error, which itself must stay hidden: Unwrap would give its text away.
func (e *redacted) Is(target error) bool { return errors.Is(e.err, target) }

// As is Is for errors.As.
func (e *redacted) As(target any) bool { return errors.As(e.err, target) }

// retold is an error with another text, itself where that is its own.
func retold(err error, text string) error {
	if text == err.Error() {
		return err
	}
	return &redacted{text, err}
}
