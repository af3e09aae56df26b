package chain

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

func sampleGenesis() *Genesis {
	return &Genesis{
		Network: "sample", Time: 1_700_000_000_000, Bits: 0x1f00ffff, Interval: 2000, HalfLife: 120_000, Subsidy: 5_000_000_000,
		Alloc: []Alloc{{Address{1}, 10}, {Address{2}, 20}, {Address{0x81}, 30}},
	}
}

// genesisEdits change one field each.
var genesisEdits = []func(g *Genesis){
	func(g *Genesis) { g.Network = "other" },
	func(g *Genesis) { g.Time++ },
	func(g *Genesis) { g.Bits++ },
	func(g *Genesis) { g.Interval++ },
	func(g *Genesis) { g.HalfLife++ },
	func(g *Genesis) { g.Subsidy++ },
	func(g *Genesis) { g.Alloc[0].Amount++ },
	func(g *Genesis) { g.Alloc = slices.Delete(g.Alloc, 0, 1) },
}

func TestGenesis_Validate(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(g *Genesis)
		want string // part of the error; empty: valid
	}{
		{"valid", func(*Genesis) {}, ""},
		{"no accounts, no subsidy", func(g *Genesis) { g.Alloc, g.Subsidy = nil, 0 }, ""},
		{"no name", func(g *Genesis) { g.Network = "" }, "network"},
		{"long name", func(g *Genesis) { g.Network = strings.Repeat("n", MaxNetworkName+1) }, "65 bytes"},
		{"space in the name", func(g *Genesis) { g.Network = "a b" }, "0x20"},
		{"name not ASCII", func(g *Genesis) { g.Network = "é" }, "0xc3"},
		{"negative time", func(g *Genesis) { g.Time = -1 }, "time_ms"},
		{"distant time", func(g *Genesis) { g.Time = MaxTime + 1 }, "time_ms"},
		{"no interval", func(g *Genesis) { g.Interval = 0 }, "interval_ms"},
		{"long interval", func(g *Genesis) { g.Interval = MaxInterval + 1 }, "interval_ms"},
		{"no half-life", func(g *Genesis) { g.HalfLife = 0 }, "half_life_ms"},
		{"long half-life", func(g *Genesis) { g.HalfLife = MaxHalfLife + 1 }, "half_life_ms"},
		{"no target", func(g *Genesis) { g.Bits = 0 }, "bits"},
		{"target above the limit", func(g *Genesis) { g.Bits = MaxBits + 1 }, "bits"},
		{"too many accounts", func(g *Genesis) { g.Alloc = make([]Alloc, MaxAlloc+1) }, "alloc"},
		{"empty account", func(g *Genesis) { g.Alloc[1].Amount = 0 }, "amount is zero"},
		{"account twice", func(g *Genesis) { g.Alloc[1].Address = g.Alloc[0].Address }, "twice"},
		{"out of order", func(g *Genesis) { g.Alloc[1].Address = Address{0xff} }, "ascending"},
		{"supply overflows", func(g *Genesis) { g.Alloc[2].Amount = math.MaxUint64 }, "overflows"},
		{"no room to mine", func(g *Genesis) { g.Alloc[2].Amount = math.MaxUint64 - 40 }, "no room"},
		{"subsidy too large", func(g *Genesis) { g.Subsidy = math.MaxUint64 }, "no room"},
	} {
		g := sampleGenesis()
		c.edit(g)
		err := g.Validate()
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestGenesis_BlockCommitsToAllFields(t *testing.T) {
	seen := map[Hash]bool{sampleGenesis().Block().Hash(): true}
	for i, edit := range genesisEdits {
		g := sampleGenesis()
		edit(g)
		h := g.Block().Hash()
		if seen[h] {
			t.Errorf("edit %d does not change the hash", i)
		}
		seen[h] = true
	}
}

func FuzzGenesisJSON(f *testing.F) {
	good := must.Get(json.Marshal(sampleGenesis()))(f)
	f.Add(good)
	f.Add([]byte(`{"network":"n","time_ms":0,"bits":553713663,"interval_ms":1,"half_life_ms":1,"subsidy":0,"alloc":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var g, back Genesis
		if json.Unmarshal(b, &g) != nil || g.Validate() != nil {
			return
		}
		text := must.Get(json.Marshal(g))(t)
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("its own JSON is refused: %v", err)
		}
		if !bytes.Equal(g.Append(nil), back.Append(nil)) || g.Block().Hash() != back.Block().Hash() {
			t.Error("a round trip changes the genesis")
		}
	})
}
