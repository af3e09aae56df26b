package chain

import (
	"bytes"
	"crypto/sha256"
)

// sha256d is SHA-256 applied twice.
func sha256d(b []byte) Hash {
	first := sha256.Sum256(b)
	return sha256.Sum256(first[:])
}

// Cmp compares h and o as big-endian numbers: -1, 0 or 1.
func (h Hash) Cmp(o Hash) int { return bytes.Compare(h[:], o[:]) }

// IsZero says whether h is all zero, the parent of genesis.
func (h Hash) IsZero() bool { return h == Hash{} }

// Cmp orders addresses by their bytes: -1, 0 or 1.
func (a Address) Cmp(o Address) int { return bytes.Compare(a[:], o[:]) }

// ID is the transaction's name: SHA-256d of its canonical encoding, signature included.
func (t *Tx) ID() Hash {
	var buf [TxSize]byte
	return sha256d(t.Append(buf[:0]))
}

// Hash is SHA-256d of the header's canonical encoding; it names the block.
func (h *Header) Hash() Hash {
	var buf [HeaderSize]byte
	return sha256d(h.Append(buf[:0]))
}

// TxRoot is what a header commits to: SHA-256d of the concatenated transaction ids, in block order.
func TxRoot(txs []Tx) Hash {
	ids := make([]byte, 0, len(txs)*len(Hash{}))
	for i := range txs {
		id := txs[i].ID()
		ids = append(ids, id[:]...)
	}
	return sha256d(ids)
}

// NewBlock builds a block and computes its hash. It keeps txs, which must not change afterwards. It does not refuse
// transactions that h does not commit to; Tree.Add does.
func NewBlock(h Header, txs []Tx) *Block { return seal(h, txs, h.Hash()) }

func seal(h Header, txs []Tx, hash Hash) *Block {
	b := &Block{Header: h, Txs: txs, sealed: true, hash: hash}
	// More transactions than are allowed are refused for that; to hash them would be a gift to an attacker.
	b.matches = len(txs) <= MaxBlockTxs && TxRoot(txs) == h.TxRoot
	return b
}

// Hash is the hash of the block's header. It costs nothing on a block from NewBlock or DecodeBlock, and is computed
// anew on any other.
func (b *Block) Hash() Hash {
	if b.sealed {
		return b.hash
	}
	return b.Header.Hash()
}

// committed says whether the header's TxRoot commits to the transactions.
func (b *Block) committed() bool {
	if b.sealed {
		return b.matches
	}
	return TxRoot(b.Txs) == b.TxRoot
}

// Equal says whether both blocks have the same header and the same transactions.
func (b *Block) Equal(o *Block) bool {
	if b == nil || o == nil {
		return b == o
	}
	if b.Header != o.Header || len(b.Txs) != len(o.Txs) {
		return false
	}
	for i := range b.Txs {
		if b.Txs[i] != o.Txs[i] {
			return false
		}
	}
	return true
}
