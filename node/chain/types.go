package chain

import (
	"encoding/hex"
	"fmt"
)

// Hash is a SHA-256d digest of a canonical encoding. It prints as lower-case hex, first byte first, and as a proof of
// work it is compared as a big-endian number.
type Hash [32]byte

// Address is an account: its ed25519 public key.
type Address [32]byte

// PeerID is a node's identity on the network: its ed25519 public key, the same key as its account's.
type PeerID = Address

// Signature is an ed25519 signature.
type Signature [64]byte

// Amount is a number of the smallest units of the currency.
type Amount uint64

// Height is a block's distance from genesis, which has height 0.
type Height uint64

// Millis is a time in milliseconds since the Unix epoch, as block headers carry it.
type Millis int64

// Tx is a signed transfer.
type Tx struct {
	From   Address   `json:"from"`
	To     Address   `json:"to"`
	Amount Amount    `json:"amount"` // at least 1
	Fee    Amount    `json:"fee"`
	Nonce  uint64    `json:"nonce"` // the number of transfers that From has sent before
	Sig    Signature `json:"sig"`
}

// Header commits to a block. Its canonical encoding has 160 bytes (see encode.go); its hash is the block's.
type Header struct {
	Version   uint32  `json:"version"` // 1
	Height    Height  `json:"height"`
	Parent    Hash    `json:"parent"`
	TxRoot    Hash    `json:"tx_root"`    // see TxRoot
	StateRoot Hash    `json:"state_root"` // of the state after the block, see State.Root
	Miner     Address `json:"miner"`
	Time      Millis  `json:"time_ms"`
	Bits      uint32  `json:"bits"` // compact target
	Nonce     uint64  `json:"nonce"`
}

// Block is a header and the transactions it commits to. A Block is immutable once built: nodes share it. NewBlock and
// DecodeBlock make one that remembers its hash.
type Block struct {
	Header
	Txs []Tx `json:"txs"`

	// What NewBlock and DecodeBlock compute once, so that nodes that share a block need not. sealed says that they did.
	sealed  bool
	matches bool // TxRoot commits to Txs
	hash    Hash
}

// Limits of a block. The encoding refuses more.
const (
	HeaderVersion = 1
	HeaderSize    = 160
	TxSize        = 152
	MaxBlockTxs   = 4096
	MaxBlockSize  = HeaderSize + 4 + MaxBlockTxs*TxSize
)

// Genesis is what all nodes of a testnet must agree on before they start. Its JSON form is in every node's
// configuration and in every trace.
type Genesis struct {
	// Network names the testnet; two networks with different names never accept each other's transactions.
	Network string `json:"network"`
	Time    Millis `json:"time_ms"`
	// Bits is the target of block 1.
	Bits uint32 `json:"bits"`
	// Interval is the block interval that the difficulty aims at, and HalfLife the time off schedule that doubles or
	// halves it, in milliseconds (aserti3-2d).
	Interval Millis `json:"interval_ms"`
	HalfLife Millis `json:"half_life_ms"`
	// Subsidy is what each block creates for its miner; its transactions' fees come on top.
	Subsidy Amount  `json:"subsidy"`
	Alloc   []Alloc `json:"alloc"`
}

// Alloc is an account's balance at genesis. Addresses are unique and in ascending order.
type Alloc struct {
	Address Address `json:"address"`
	Amount  Amount  `json:"amount"`
}

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
