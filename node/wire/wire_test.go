package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
)

var update = flag.Bool("update", false, "write the golden vectors")

func fill(n int, first byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func sampleTx() chain.Tx {
	return chain.Tx{
		From: chain.Address(fill(32, 1)), To: chain.Address(fill(32, 50)), Amount: 1000, Fee: 7, Nonce: 3,
		Sig: chain.Signature(fill(64, 100)),
	}
}

func sampleBlock(txs ...chain.Tx) *chain.Block {
	return chain.NewBlock(chain.Header{
		Version: 1, Height: 9, Parent: chain.Hash(fill(32, 2)), TxRoot: chain.Hash(fill(32, 3)),
		StateRoot: chain.Hash(fill(32, 4)), Miner: chain.Address(fill(32, 5)), Time: 1_700_000_000_000, Bits: 0x2000ffff, Nonce: 77,
	}, txs)
}

// samples holds one message of every type; its keys are the vectors' file names.
func samples() map[string]Message {
	hashes := []chain.Hash{chain.Hash(fill(32, 10)), chain.Hash(fill(32, 20))}
	return map[string]Message{
		"hello": &Hello{
			Version: 1, Genesis: hashes[0], Head: hashes[1], Height: 12, Work: chain.Work(fill(32, 7)), Addr: "10.1.2.3:4001",
		},
		"ping":       &Ping{Nonce: 0x0102030405060708},
		"pong":       &Pong{Nonce: 0xf1f2f3f4f5f6f7f8},
		"tx":         NewTx(sampleTx()),
		"block":      &Block{Block: sampleBlock(sampleTx())},
		"inv":        &Inv{Item: ItemTx, Hashes: hashes},
		"get":        &Get{Item: ItemBlock, Hashes: hashes[:1]},
		"get_blocks": &GetBlocks{Locator: hashes},
		"blocks":     &Blocks{Blocks: []*chain.Block{sampleBlock(), sampleBlock(sampleTx())}, More: true},
		"addrs":      &Addrs{Addrs: []Addr{{ID: chain.PeerID(fill(32, 1)), Addr: "a:1"}, {ID: chain.PeerID(fill(32, 2)), Addr: ""}}},
	}
}

func TestEncode_GoldenVectors(t *testing.T) {
	for name, m := range samples() {
		t.Run(name, func(t *testing.T) {
			b := Encode(m)
			file := filepath.Join("testdata", name+".hex")
			if *update {
				must.Do(t, os.WriteFile(file, []byte(hex.EncodeToString(b)+"\n"), 0o644))
			}
			want := must.Get(os.ReadFile(file))(t)
			if got := hex.EncodeToString(b); got != strings.TrimSpace(string(want)) {
				t.Errorf("encoding changed:\n got %s\nwant %s", got, want)
			}
			if m.Type().String() != name || b[0] != byte(m.Type()) {
				t.Errorf("type %d prints as %s", b[0], m.Type())
			}
			if Size(m) != len(b) {
				t.Errorf("Size says %d, the encoding has %d bytes", Size(m), len(b))
			}
			back := must.Get(Decode(b))(t)
			if diff := cmp.Diff(m, back, cmp.AllowUnexported(Tx{}, chain.Block{})); diff != "" {
				t.Errorf("decoded differently:\n%s", diff)
			}
		})
	}
}

// Every truncation and every extension of a message is rejected.
func TestDecode_ExactLengths(t *testing.T) {
	for name, m := range samples() {
		b := Encode(m)
		for i := range b {
			if _, err := Decode(b[:i]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%s cut to %d of %d bytes: %v", name, i, len(b), err)
			}
		}
		if _, err := Decode(append(b, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s with a byte more: %v", name, err)
		}
	}
}

func TestCheck_Limits(t *testing.T) {
	many := make([]*chain.Block, 8)
	for i := range many {
		many[i] = sampleBlock(make([]chain.Tx, chain.MaxBlockTxs)...)
	}
	bad := map[string]Message{
		"nil":            nil,
		"no block":       &Block{},
		"big block":      &Block{Block: sampleBlock(make([]chain.Tx, chain.MaxBlockTxs+1)...)},
		"empty inv":      &Inv{Item: ItemTx},
		"long inv":       &Inv{Item: ItemTx, Hashes: make([]chain.Hash, MaxInv+1)},
		"item 0":         &Get{Hashes: make([]chain.Hash, 1)},
		"item 3":         &Get{Item: 3, Hashes: make([]chain.Hash, 1)},
		"empty locator":  &GetBlocks{},
		"long locator":   &GetBlocks{Locator: make([]chain.Hash, MaxLocator+1)},
		"many blocks":    &Blocks{Blocks: make([]*chain.Block, MaxBlocks+1)},
		"nil in blocks":  &Blocks{Blocks: make([]*chain.Block, 1)},
		"heavy blocks":   &Blocks{Blocks: many},
		"many addrs":     &Addrs{Addrs: make([]Addr, MaxAddrs+1)},
		"long addr":      &Addrs{Addrs: []Addr{{Addr: strings.Repeat("a", MaxAddrLen+1)}}},
		"blank in addr":  &Hello{Addr: "a b"},
		"high byte addr": &Hello{Addr: "a\x80"},
	}
	for name, m := range bad {
		if err := Check(m); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: Check says %v", name, err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: Encode does not panic", name)
				}
			}()
			Append(nil, m)
		}()
	}
	fits := &Blocks{Blocks: many[:6]}
	if b := Encode(fits); len(b) > MaxMessageSize {
		t.Errorf("%d bytes are encoded", len(b))
	}
}

func TestDecode_Malformed(t *testing.T) {
	hello := Encode(samples()["hello"])
	blocks := Encode(samples()["blocks"])
	addrs := Encode(samples()["addrs"])
	with := func(b []byte, at int, v ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], v)
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":         nil,
		"type 0":          {0},
		"type 11":         {11, 0},
		"huge":            make([]byte, MaxMessageSize+1),
		"address byte":    with(hello, helloPrefix, ' '),
		"address length":  append(with(hello, helloPrefix-1, 200), fill(187, 'a')...),
		"flag 2":          with(blocks, 1, 2),
		"257 blocks":      with(blocks, 2, 1, 1),
		"block size":      with(blocks, 4, 0xff, 0xff, 0xff, 0xff),
		"block inside":    with(blocks, 8+chain.HeaderSize, 0xff, 0xff, 0xff, 0xff),
		"65 addresses":    with(addrs, 1, 0, 65),
		"byte in address": with(addrs, addrsPrefix+addrPrefix, 0),
		"no item":         {byte(TypeInv)},
		"item 9":          {byte(TypeInv), 9, 0, 1},
		"1025 hashes":     append([]byte{byte(TypeGet), 1, 4, 1}, make([]byte, 1025*32)...),
		"0 hashes":        {byte(TypeGetBlocks), 0, 0},
	} {
		if m, err := Decode(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, %v", name, m, err)
		}
	}
}

func TestType_UnknownName(t *testing.T) {
	if got := fmt.Sprint(Type(0), Type(200)); got != "unknown unknown" {
		t.Error(got)
	}
}

func TestSize_PanicsOnUnknownType(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Size(nil)
}
