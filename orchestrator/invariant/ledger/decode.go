package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Sizes of the canonical encoding, all numbers big-endian.
const (
	headerSize  = 160 // version4 height8 parent32 txroot32 stateroot32 miner32 time8 bits4 nonce8
	txSize      = 152 // from32 to32 amount8 fee8 nonce8 sig64
	signedSize  = txSize - 64
	maxBlockTxs = 4096
)

type header struct {
	version   uint32
	height    uint64
	parent    [32]byte
	txRoot    [32]byte
	stateRoot [32]byte
	miner     [32]byte
	time      int64
	bits      uint32
	nonce     uint64
}

type tx struct {
	raw    []byte // the txSize bytes it was read from
	from   [32]byte
	to     [32]byte
	amount uint64
	fee    uint64
	nonce  uint64
}

func sha256d(b []byte) [32]byte {
	once := sha256.Sum256(b)
	return sha256.Sum256(once[:])
}

func (h *header) encode() []byte {
	be := binary.BigEndian
	b := make([]byte, 0, headerSize)
	b = be.AppendUint32(b, h.version)
	b = be.AppendUint64(b, h.height)
	b = append(b, h.parent[:]...)
	b = append(b, h.txRoot[:]...)
	b = append(b, h.stateRoot[:]...)
	b = append(b, h.miner[:]...)
	b = be.AppendUint64(b, uint64(h.time))
	b = be.AppendUint32(b, h.bits)
	return be.AppendUint64(b, h.nonce)
}

// decodeBlock reads a block; the transactions alias raw.
func decodeBlock(raw []byte) (header, []tx, error) {
	if len(raw) < headerSize+4 {
		return header{}, nil, fmt.Errorf("%d bytes are less than a header", len(raw))
	}
	be := binary.BigEndian
	var h header
	h.version = be.Uint32(raw)
	h.height = be.Uint64(raw[4:])
	copy(h.parent[:], raw[12:44])
	copy(h.txRoot[:], raw[44:76])
	copy(h.stateRoot[:], raw[76:108])
	copy(h.miner[:], raw[108:140])
	h.time = int64(be.Uint64(raw[140:]))
	h.bits = be.Uint32(raw[148:])
	h.nonce = be.Uint64(raw[152:])

	count := be.Uint32(raw[headerSize:])
	body := raw[headerSize+4:]
	if count > maxBlockTxs || len(body) != int(count)*txSize {
		return header{}, nil, fmt.Errorf("%d bytes of body for %d transactions", len(body), count)
	}
	txs := make([]tx, count)
	for i := range txs {
		b := body[i*txSize : (i+1)*txSize]
		t := &txs[i]
		t.raw = b
		copy(t.from[:], b)
		copy(t.to[:], b[32:])
		t.amount, t.fee, t.nonce = be.Uint64(b[64:]), be.Uint64(b[72:]), be.Uint64(b[80:])
	}
	return h, txs, nil
}

// idsOf are the ids of transactions in lower-case hex.
func idsOf(txs []tx) []string {
	ids := make([]string, len(txs))
	for i := range txs {
		id := sha256d(txs[i].raw)
		ids[i] = hex.EncodeToString(id[:])
	}
	return ids
}

// txRootOf is SHA-256d of the concatenated transaction ids.
func txRootOf(txs []tx) [32]byte {
	ids := make([]byte, 0, 32*len(txs))
	for i := range txs {
		id := sha256d(txs[i].raw)
		ids = append(ids, id[:]...)
	}
	return sha256d(ids)
}
