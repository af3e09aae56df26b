package chainfile

import (
	"errors"
	"slices"
	"strings"
	"sync"
)

// minSecret is the shortest text that is hidden: replacing less would garble messages more than it protects.
const minSecret = 4

// redactor hides secrets in what is shown to people. It is safe for concurrent use.
type redactor struct {
	mu      sync.RWMutex
	secrets []string // longest first, in lower case
}

// add makes texts secret, in whatever case they are written.
func (r *redactor) add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range secrets {
		s = lowerASCII(s)
		if len(s) >= minSecret && !slices.Contains(r.secrets, s) {
			r.secrets = append(r.secrets, s)
		}
	}
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
}

// text returns s without secrets.
func (r *redactor) text(s string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, secret := range r.secrets {
		s = replaceFold(s, secret)
	}
	return s
}

// replaceFold replaces every occurrence of an ASCII text, given in lower case, in whatever case.
func replaceFold(s, secret string) string {
	lower := lowerASCII(s)
	if !strings.Contains(lower, secret) {
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(lower, secret)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		b.WriteString("[secret]")
		s, lower = s[i+len(secret):], lower[i+len(secret):]
	}
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
