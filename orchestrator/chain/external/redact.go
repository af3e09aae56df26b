package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

const (
	// minSecret is the shortest text that is redacted: replacing less would garble messages more than it protects.
	minSecret = 4
	// minCaptured is that of captured values, which may be anything.
	minCaptured = 8
	// maxCapturedLines is the most lines of a captured text that are redacted one by one: a key has fewer, a genesis may
	// have more.
	maxCapturedLines = 100
	// maxShown is the most bytes of a reply that a message shows, taken from maxRedacted of it once secrets are replaced.
	maxShown    = 300
	maxRedacted = 64 << 10
	// redacted stands in place of a secret.
	redacted = "[secret]"
)

// redactor keeps credentials out of what people see: those that a chain file has, and captured values that are not public.
// It owns the list of them. Keys that come from the run's seed are none, since the seed is printed. It is safe for
// concurrent use.
type redactor struct {
	file *chainspec.Chain

	mu          sync.Mutex
	secrets     map[string]bool
	word, stars *strings.Replacer // of all of them; nil after each change
}

// add makes texts secret, as they are and as JSON and messages quote them.
func (r *redactor) add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets == nil {
		r.secrets = make(map[string]bool)
	}
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		escaped, _ := json.Marshal(s) // in which < and > are escaped
		for _, quoted := range []string{`"` + s + `"`, asJSON(s), strconv.Quote(s), string(escaped)} {
			r.secrets[quoted[1:len(quoted)-1]] = true
		}
	}
	r.word = nil
}

// addCaptured makes secret what a step captured: all of it, and its lines, since programs print line by line. Numbers and
// short words, which stand everywhere, are not.
func (r *redactor) addCaptured(text string) {
	parts := []string{text}
	if lines := strings.Split(strings.TrimSpace(text), "\n"); len(lines) <= maxCapturedLines {
		parts = append(parts, lines...)
	}
	for _, p := range parts {
		p = strings.TrimPrefix(strings.TrimSpace(p), "0x")
		if _, err := strconv.ParseFloat(p, 64); len(p) < minCaptured || err == nil && len(p) <= len("18446744073709551615") {
			continue
		}
		r.add(p, strings.ToLower(p), strings.ToUpper(p)) // hex is printed in either case
	}
}

// replacers return what puts "[secret]" in place of secrets, and what puts stars, one for each character.
func (r *redactor) replacers() (word, stars *strings.Replacer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.word == nil {
		var words, stars []string
		longestFirst := func(a, b string) int { return len(b) - len(a) }
		for _, s := range slices.SortedFunc(maps.Keys(r.secrets), longestFirst) {
			words, stars = append(words, s, redacted), append(stars, s, inLine.ReplaceAllString(s, "*"))
		}
		r.word, r.stars = strings.NewReplacer(words...), strings.NewReplacer(stars...)
	}
	return r.word, r.stars
}

// inLine is any character but the end of a line.
var inLine = regexp.MustCompile(`[^\r\n]`)

// text returns s without secrets.
func (r *redactor) text(s string) string {
	word, _ := r.replacers()
	return word.Replace(s)
}

// run applies an expression to a value. Errors cut values short, and with them secrets, which text then does not find: the
// error is that of the value without secrets.
func (r *redactor) run(ctx context.Context, q chainspec.Query, in any) (any, error) {
	v, err := q.Run(ctx, in)
	if err == nil || ctx.Err() != nil {
		return v, err
	}
	shown, failed := decode([]byte(r.text(asJSON(in))))
	if failed == nil {
		_, err = q.Run(ctx, shown)
	}
	if failed != nil || err == nil {
		err = r.errorAt(q.Pos, "jq "+q.Source+": it does not fit the reply", "")
	}
	return nil, err
}

// brief makes a text fit for a message: without secrets, then shortened. In this order, no secret is cut in two and then
// missed.
func (r *redactor) brief(s string) string {
	long := len(s) > maxRedacted
	s = r.text(s[:min(len(s), maxRedacted)])
	if long && len(s) <= maxShown { // what follows the last secret may be half of one
		s = s[:strings.LastIndex(s, redacted)+len(redacted)] + "..."
	}
	out := strings.Join(strings.Fields(strings.ToValidUTF8(s[:min(len(s), maxShown)], "?")), " ")
	if len(s) > maxShown {
		out += "..."
	}
	return out
}

// show writes a decoded value without secrets, shortened.
func (r *redactor) show(v any) string { return r.brief(asText(v)) }

// err returns an error whose text has no secrets and which is err otherwise, nil for nil. An excerpt of the chain file in
// it is made anew: it may have cut a secret in two.
func (r *redactor) err(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	var at *strictyaml.Error
	if errors.As(err, &at) && at.Excerpt != "" {
		text = strings.Replace(text, at.Error(), r.errorAt(at.Pos, at.Msg, at.Hint).Error(), 1)
	}
	if text = r.text(text); text == err.Error() {
		return err
	}
	return &redactedError{text, err}
}

// errorAt is an error about a place in the chain file. Its excerpt has stars in place of secrets.
func (r *redactor) errorAt(pos strictyaml.Pos, msg, hint string) *strictyaml.Error {
	file := *r.file
	_, stars := r.replacers()
	file.Source = []byte(stars.Replace(string(file.Source)))
	return file.ErrorAt(pos, msg, hint)
}

// redactedError is an error whose own text must not be shown.
type redactedError struct {
	text string
	err  error
}

// Error implements error.
func (e *redactedError) Error() string { return e.text }

// Is reports on the hidden error, which itself must stay hidden: Unwrap would give its text away.
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }

// As is Is for errors.As.
func (e *redactedError) As(target any) bool { return errors.As(e.err, target) }

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
