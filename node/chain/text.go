package chain

import (
	"encoding/hex"
	"fmt"
)

// parseHex fills dst from exactly 2*len(dst) lower-case hex digits, the only form that is accepted, so that a value has
// one text.
func parseHex(what string, dst, src []byte) error {
	if len(src) != 2*len(dst) {
		return fmt.Errorf("%s: want %d hex digits, got %d characters", what, 2*len(dst), len(src))
	}
	for i, c := range src {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("%s: character %d is %q, want a lower-case hex digit", what, i+1, c)
		}
	}
	if _, err := hex.Decode(dst, src); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// ParseHash reads 64 lower-case hex digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	err := h.UnmarshalText([]byte(s))
	return h, err
}

// ParseAddress reads 64 lower-case hex digits.
func ParseAddress(s string) (Address, error) {
	var a Address
	err := a.UnmarshalText([]byte(s))
	return a, err
}

// String is the hash in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText gives lower-case hex.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads lower-case hex of the exact length.
func (h *Hash) UnmarshalText(b []byte) error { return parseHex("hash", h[:], b) }

// String is the address in lower-case hex.
func (a Address) String() string { return hex.EncodeToString(a[:]) }

// MarshalText gives lower-case hex.
func (a Address) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, a[:]), nil }

// UnmarshalText reads lower-case hex of the exact length.
func (a *Address) UnmarshalText(b []byte) error { return parseHex("address", a[:], b) }

// String is the signature in lower-case hex.
func (s Signature) String() string { return hex.EncodeToString(s[:]) }

// MarshalText gives lower-case hex.
func (s Signature) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads lower-case hex of the exact length.
func (s *Signature) UnmarshalText(b []byte) error { return parseHex("signature", s[:], b) }

// String is the work in lower-case hex, all 64 digits.
func (w Work) String() string { return hex.EncodeToString(w[:]) }

// MarshalText gives lower-case hex.
func (w Work) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, w[:]), nil }

// UnmarshalText reads lower-case hex of the exact length.
func (w *Work) UnmarshalText(b []byte) error { return parseHex("work", w[:], b) }
