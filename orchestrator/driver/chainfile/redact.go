package chainfile

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
)

// minSecret is the shortest text that is hidden: replacing less would garble messages more than it protects.
const minSecret = 4

// redactor hides secrets in what is shown to people. It is safe for concurrent use.
type redactor struct {
	mu sync.RWMutex
	// secrets are in lower case, the longest first, by their first minSecret bytes: a text is walked once, however many
	// there are.
	secrets map[string][]string
}

// add makes texts secret, in whatever case they are written.
func (r *redactor) add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.secrets == nil {
		r.secrets = make(map[string][]string)
	}
	for _, s := range secrets {
		s = lowerASCII(s)
		if len(s) < minSecret {
			continue
		}
		list := r.secrets[s[:minSecret]]
		i, known := slices.BinarySearchFunc(list, s, func(a, b string) int {
			return cmp.Or(len(b)-len(a), strings.Compare(a, b))
		})
		if !known {
			r.secrets[s[:minSecret]] = slices.Insert(list, i, s)
		}
	}
}

// text returns s without secrets. Secrets that overlap or touch are hidden as one.
func (r *redactor) text(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.secrets) == 0 {
		return s
	}
	lower := lowerASCII(s)
	var b strings.Builder
	done := 0 // s is written, or hidden, up to here
	for i := 0; i+minSecret <= len(lower); i++ {
		length := r.at(lower[i:])
		if length == 0 {
			continue
		}
		if i > done || done == 0 {
			b.WriteString(s[done:i])
			b.WriteString("[secret]")
		}
		done = max(done, i+length)
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// at returns the length of the longest secret that a text in lower case begins with, 0 for none.
func (r *redactor) at(lower string) int {
	for _, secret := range r.secrets[lower[:minSecret]] {
		if strings.HasPrefix(lower, secret) {
			return len(secret)
		}
	}
	return 0
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

// err returns an error whose text has no secrets and which wraps err, nil for nil.
func (r *redactor) err(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if clean := r.text(text); clean != text {
		return &redacted{clean, err}
	}
	return err
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
