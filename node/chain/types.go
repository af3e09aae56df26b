package chain

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// Hash is a SHA-256d digest of a canonical encoding. It prints as lower-case hex, first byte first, and as a proof of
// work it is compared as a big-endian number.
type Hash [32]byte

// Address is an account: its ed25519 public key.
type Address [32]byte

// PeerID is a node's identity in the network: its ed25519 public key, which is also its account.
type PeerID = Address

// Signature is an ed25519 signature.
type Signature [64]byte

// Amount is a number of the smallest units of the currency.
type Amount uint64

// Height is a block's distance from genesis, which has height 0.
type Height uint64

// Millis is a time in milliseconds since the Unix epoch, as block headers carry it.
type Millis int64

// Cmp compares h and o as big-endian numbers: -1, 0 or 1.
func (h Hash) Cmp(o Hash) int { return bytes.Compare(h[:], o[:]) }

// IsZero reports whether h is all zero, the parent of genesis.
func (h Hash) IsZero() bool { return h == Hash{} }

// Cmp orders addresses by their bytes: -1, 0 or 1.
func (a Address) Cmp(o Address) int { return bytes.Compare(a[:], o[:]) }

// parseHex fills dst from exactly 2*len(dst) lower-case hex digits. Other forms are refused, so that a value has only one
// text form.
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
