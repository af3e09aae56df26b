package chain_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

// vectors are the encodings and hashes of a small chain. Other implementations test against the file; a change to it
// is a change of the protocol.
type vectors struct {
	Seeds   []string        `json:"key_seeds"`
	Genesis *chain.Genesis  `json:"genesis"`
	Encoded string          `json:"genesis_encoding"`
	Hash    string          `json:"genesis_hash"`
	Root    string          `json:"genesis_state_root"`
	Blocks  []vectorBlock   `json:"blocks"`
	Compact []vectorCompact `json:"compact_targets"`
}

type vectorBlock struct {
	Hash     string     `json:"hash"`
	Encoded  string     `json:"encoding"`
	Txs      []chain.Tx `json:"txs"`
	IDs      []string   `json:"tx_ids"`
	Work     chain.Work `json:"cumulative_work"`
	Accounts int        `json:"accounts"`
	Supply   uint64     `json:"supply"`
}

type vectorCompact struct {
	Bits   string     `json:"bits"`
	Target string     `json:"target"`
	Work   chain.Work `json:"work"`
}

func TestVectors(t *testing.T) {
	const file = "testdata/vectors.json"
	got := must.Get(json.MarshalIndent(makeVectors(t), "", "  "))(t)
	got = append(got, '\n')
	if *update {
		must.Do(t, os.WriteFile(file, got, 0o644))
	}
	want := must.Get(os.ReadFile(file))(t)
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("the protocol has changed (-want +got):\n%s", d)
	}
}

func makeVectors(t *testing.T) vectors {
	k := newKit(t, 5)
	tree := k.tree()
	genesis := tree.Genesis()
	v := vectors{
		Genesis: k.g,
		Encoded: hex.EncodeToString(k.g.Append(nil)),
		Hash:    genesis.Hash().String(),
		Root:    genesis.StateRoot.String(),
	}
	for _, key := range k.keys {
		v.Seeds = append(v.Seeds, hex.EncodeToString(key.Seed()))
	}
	newcomer := chain.Tx{To: chain.Address{0xab}, Amount: 1, Fee: 0, Nonce: 1}
	k.keys[3].Sign(genesis.Hash(), &newcomer)
	// Off schedule both ways, so that the difficulty moves.
	steps := []chain.Millis{5000, 45_000, -2500, 1, 700}
	for i, txs := range [][]chain.Tx{
		nil,
		{k.pay(0, 1, 100, 2, 0)},
		{k.pay(0, 0, 5, 1, 1), k.pay(3, 4, 1000, 0, 0)}, // spends all
		{k.pay(4, 3, 20, 7, 0), newcomer},
		nil,
	} {
		h, kept, err := tree.Template(k.addr(2), txs, tree.Head().Time+steps[i])
		if err != nil {
			t.Fatal(err)
		}
		b := k.mine(h, kept)
		k.add(tree, b)
		vb := vectorBlock{Hash: b.Hash().String(), Encoded: hex.EncodeToString(b.Append(nil)), Txs: b.Txs,
			Work: tree.HeadWork(), Accounts: tree.HeadState().Len(), Supply: uint64(tree.HeadState().Total())}
		if len(b.Txs) != len(txs) {
			t.Fatal("a transaction does not apply")
		}
		for i := range b.Txs {
			vb.IDs = append(vb.IDs, b.Txs[i].ID().String())
		}
		v.Blocks = append(v.Blocks, vb)
	}
	for _, bits := range []uint32{0x01010000, 0x02008000, 0x1802aee8, 0x1d00ffff, 0x207fffff, chain.MaxBits} {
		target := must.Get(chain.TargetFromBits(bits))(t)
		v.Compact = append(v.Compact, vectorCompact{fmt.Sprintf("%08x", bits), hex.EncodeToString(target[:]), chain.WorkOf(bits)})
	}
	return v
}
