package chain

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

func sampleTx() Tx {
	return Tx{From: Address{1}, To: Address{2}, Amount: 3, Fee: 4, Nonce: 5, Sig: Signature{6, 63: 7}}
}

func sampleHeader() Header {
	return Header{Version: 1, Height: 2, Parent: Hash{3}, TxRoot: Hash{4}, StateRoot: Hash{5}, Miner: Address{6}, Time: -7,
		Bits: MaxBits, Nonce: 8}
}

func TestBlock_Hash(t *testing.T) {
	h, txs := sampleHeader(), []Tx{sampleTx()}
	plain := &Block{Header: h, Txs: txs}
	if b := NewBlock(h, txs); b.Hash() != h.Hash() || plain.Hash() != h.Hash() || b.txsMatchRoot() {
		t.Error("a block literal and NewBlock differ")
	}
	h.TxRoot = TxRoot(txs)
	plain.TxRoot = h.TxRoot
	b := NewBlock(h, txs)
	if !b.txsMatchRoot() || !plain.txsMatchRoot() {
		t.Error("txsMatchRoot is false for matching transactions")
	}
	back, err := DecodeBlock(b.Append(nil))
	if err != nil || back.Hash() != b.Hash() || !back.txsMatchRoot() {
		t.Errorf("decoded block differs: %v", err)
	}
	if len(b.Append(nil)) != b.Size() || b.Size() != HeaderSize+4+TxSize {
		t.Errorf("Size: %d", b.Size())
	}
}

func TestDecodeBlock_TransactionCount(t *testing.T) {
	h := sampleHeader()
	for _, n := range []uint32{MaxBlockTxs + 1, 1 << 31, 1<<32 - 1} {
		b := binary.BigEndian.AppendUint32(h.Append(nil), n)
		if _, err := DecodeBlock(b); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("%d transactions: %v", n, err)
		}
	}
	full := NewBlock(h, make([]Tx, MaxBlockTxs)).Append(nil)
	if len(full) != MaxBlockSize {
		t.Errorf("a full block has %d bytes, want %d", len(full), MaxBlockSize)
	}
	if _, err := DecodeBlock(full); err != nil {
		t.Errorf("a full block: %v", err)
	}
}

func TestText_Hex(t *testing.T) {
	zeros := strings.Repeat("0", 62)
	var w Work
	if err := w.UnmarshalText([]byte("0a" + zeros)); err != nil || w != (Work{10}) {
		t.Errorf("work: %v, %v", w, err)
	}
	if b, _ := w.MarshalText(); string(b) != w.String() || w.String() != "0a"+zeros {
		t.Errorf("work prints as %s", w)
	}
	for _, s := range []string{"", "0a", "0A" + zeros, "0g" + zeros, "0x" + zeros, "0a" + zeros + "00", " a" + zeros} {
		if _, err := ParseHash(s); err == nil {
			t.Errorf("hash %q accepted", s)
		}
		if _, err := ParseAddress(s); err == nil {
			t.Errorf("address %q accepted", s)
		}
		if new(Signature).UnmarshalText([]byte(s)) == nil || new(Work).UnmarshalText([]byte(s)) == nil {
			t.Errorf("signature or work %q accepted", s)
		}
	}
}

func FuzzDecodeTx(f *testing.F) {
	tx := sampleTx()
	f.Add(tx.Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		tx, err := DecodeTx(b)
		if err != nil {
			return
		}
		if !bytes.Equal(tx.Append(nil), b) {
			t.Error("encoding differs from the input")
		}
		text := must.Get(json.Marshal(&tx))(t)
		var back Tx
		if err := json.Unmarshal(text, &back); err != nil || back != tx {
			t.Errorf("JSON round trip gives %+v, %v", back, err)
		}
		tx.Verify(Hash{})
	})
}

func FuzzDecodeBlock(f *testing.F) {
	h := sampleHeader()
	f.Add(NewBlock(h, nil).Append(nil))
	f.Add(NewBlock(h, []Tx{sampleTx(), sampleTx()}).Append(nil))
	f.Add(binary.BigEndian.AppendUint32(h.Append(nil), 1<<31))
	f.Fuzz(func(t *testing.T, b []byte) {
		block, err := DecodeBlock(b)
		if err != nil {
			return
		}
		if !bytes.Equal(block.Append(nil), b) || block.Size() != len(b) {
			t.Error("encoding differs from the input")
		}
		if block.Hash() != block.Header.Hash() || block.txsMatchRoot() != (TxRoot(block.Txs) == block.TxRoot) {
			t.Error("differs from the block made by NewBlock")
		}
		if _, err := TargetFromBits(block.Bits); err == nil && WorkOf(block.Bits) == (Work{}) {
			t.Error("a target without work")
		}
	})
}
