package chain

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Tx is a signed transfer.
type Tx struct {
	From   Address   `json:"from"`
	To     Address   `json:"to"`
	Amount Amount    `json:"amount"` // at least 1
	Fee    Amount    `json:"fee"`
	Nonce  uint64    `json:"nonce"` // number of earlier transfers of From
	Sig    Signature `json:"sig"`
}

// Header commits to a block. Its canonical encoding has 160 bytes; its hash is the block's.
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

// Block is a header and the transactions it commits to. A Block is immutable, and nodes share it. NewBlock and
// DecodeBlock make one that caches its hash.
type Block struct {
	Header
	Txs []Tx `json:"txs"`

	// Computed once by NewBlock and DecodeBlock for all nodes that share the block; sealed is true then.
	sealed  bool
	matches bool // TxRoot matches Txs
	hash    Hash
}

// Sizes in bytes and limits of a block. Decoding refuses larger ones.
const (
	HeaderVersion = 1
	HeaderSize    = 160
	TxSize        = 152
	MaxBlockTxs   = 4096
	MaxBlockSize  = HeaderSize + 4 + MaxBlockTxs*TxSize
)

// signedSize is the length of the part of a transaction's encoding that is signed.
const signedSize = TxSize - len(Signature{})

// blockPrefix is the length of a block's encoding before its transactions.
const blockPrefix = HeaderSize + 4

// Append appends the transaction's canonical encoding, TxSize bytes, to b.
func (t *Tx) Append(b []byte) []byte {
	b = t.appendUnsigned(b)
	return append(b, t.Sig[:]...)
}

func (t *Tx) appendUnsigned(b []byte) []byte {
	b = append(b, t.From[:]...)
	b = append(b, t.To[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.Amount))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Fee))
	return binary.BigEndian.AppendUint64(b, t.Nonce)
}

// DecodeTx reads a transaction from exactly TxSize bytes. It checks the form only, not the signature.
func DecodeTx(b []byte) (Tx, error) {
	if len(b) != TxSize {
		return Tx{}, fmt.Errorf("decode transaction: want %d bytes, got %d", TxSize, len(b))
	}
	var t Tx
	t.decode(b)
	return t, nil
}

func (t *Tx) decode(b []byte) {
	copy(t.From[:], b)
	copy(t.To[:], b[32:])
	t.Amount = Amount(binary.BigEndian.Uint64(b[64:]))
	t.Fee = Amount(binary.BigEndian.Uint64(b[72:]))
	t.Nonce = binary.BigEndian.Uint64(b[80:])
	copy(t.Sig[:], b[signedSize:])
}

// Append appends the header's canonical encoding, HeaderSize bytes, to b. The nonce comes last.
func (h *Header) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, h.Version)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Height))
	b = append(b, h.Parent[:]...)
	b = append(b, h.TxRoot[:]...)
	b = append(b, h.StateRoot[:]...)
	b = append(b, h.Miner[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Time))
	b = binary.BigEndian.AppendUint32(b, h.Bits)
	return binary.BigEndian.AppendUint64(b, h.Nonce)
}

// decodeHeader reads a header from HeaderSize bytes.
func decodeHeader(b []byte) Header {
	h := Header{
		Version: binary.BigEndian.Uint32(b),
		Height:  Height(binary.BigEndian.Uint64(b[4:])),
		Time:    Millis(binary.BigEndian.Uint64(b[140:])),
		Bits:    binary.BigEndian.Uint32(b[148:]),
		Nonce:   binary.BigEndian.Uint64(b[152:]),
	}
	copy(h.Parent[:], b[12:])
	copy(h.TxRoot[:], b[44:])
	copy(h.StateRoot[:], b[76:])
	copy(h.Miner[:], b[108:])
	return h
}

// Size is the length of the block's canonical encoding in bytes.
func (b *Block) Size() int { return blockPrefix + len(b.Txs)*TxSize }

// Append appends the block's canonical encoding, Size bytes, to buf.
func (b *Block) Append(buf []byte) []byte {
	buf = b.Header.Append(buf)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(b.Txs)))
	for i := range b.Txs {
		buf = b.Txs[i].Append(buf)
	}
	return buf
}

// DecodeBlock reads a block from all of b. It refuses more than MaxBlockTxs transactions, and a length that does not
// match their count, before it allocates. It checks the form only. The block does not retain b.
func DecodeBlock(b []byte) (*Block, error) {
	if len(b) < blockPrefix {
		return nil, fmt.Errorf("decode block: want at least %d bytes, got %d", blockPrefix, len(b))
	}
	n := binary.BigEndian.Uint32(b[HeaderSize:])
	if n > MaxBlockTxs {
		return nil, fmt.Errorf("decode block: %d transactions, at most %d are allowed", n, MaxBlockTxs)
	}
	if want := blockPrefix + int(n)*TxSize; len(b) != want {
		return nil, fmt.Errorf("decode block: want %d bytes for %d transactions, got %d", want, n, len(b))
	}
	var txs []Tx
	if n > 0 {
		txs = make([]Tx, n)
	}
	for i := range txs {
		txs[i].decode(b[blockPrefix+i*TxSize:])
	}
	// b is the canonical encoding, so the header need not be encoded again.
	return seal(decodeHeader(b), txs, sha256d(b[:HeaderSize])), nil
}

// sha256d is SHA-256 applied twice.
func sha256d(b []byte) Hash {
	first := sha256.Sum256(b)
	return sha256.Sum256(first[:])
}

// ID is SHA-256d of the transaction's canonical encoding, signature included.
func (t *Tx) ID() Hash {
	var buf [TxSize]byte
	return sha256d(t.Append(buf[:0]))
}

// Hash is SHA-256d of the header's canonical encoding, the block's hash.
func (h *Header) Hash() Hash {
	var buf [HeaderSize]byte
	return sha256d(h.Append(buf[:0]))
}

// TxRoot is a header's commitment to its transactions: SHA-256d of their concatenated ids, in block order.
func TxRoot(txs []Tx) Hash {
	ids := make([]byte, 0, len(txs)*len(Hash{}))
	for i := range txs {
		id := txs[i].ID()
		ids = append(ids, id[:]...)
	}
	return sha256d(ids)
}

// NewBlock builds a block and computes its hash. It retains txs, which must not change afterwards. It does not check that
// h commits to txs; Tree.Add does.
func NewBlock(h Header, txs []Tx) *Block { return seal(h, txs, h.Hash()) }

func seal(h Header, txs []Tx, hash Hash) *Block {
	b := &Block{Header: h, Txs: txs, sealed: true, hash: hash}
	// Blocks with too many transactions are refused anyway: do not spend time on hashing them.
	b.matches = len(txs) <= MaxBlockTxs && TxRoot(txs) == h.TxRoot
	return b
}

// Hash is the hash of the block's header, cached if the block comes from NewBlock or DecodeBlock.
func (b *Block) Hash() Hash {
	if b.sealed {
		return b.hash
	}
	return b.Header.Hash()
}

// txsMatchRoot reports whether the header's TxRoot matches the transactions.
func (b *Block) txsMatchRoot() bool {
	if b.sealed {
		return b.matches
	}
	return TxRoot(b.Txs) == b.TxRoot
}
