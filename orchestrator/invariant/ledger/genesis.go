package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"math/bits"
	"strings"
)

// genesisJSON is the JSON form in Facts.Genesis.
type genesisJSON struct {
	Network  string `json:"network"`
	Time     int64  `json:"time_ms"`
	Bits     uint32 `json:"bits"`
	Interval int64  `json:"interval_ms"`
	HalfLife int64  `json:"half_life_ms"`
	Subsidy  uint64 `json:"subsidy"`
	Alloc    []struct {
		Address string `json:"address"`
		Amount  uint64 `json:"amount"`
	} `json:"alloc"`
}

// Bounds of a genesis.
const (
	maxName     = 64
	maxTime     = 1 << 47
	maxInterval = 86_400_000
	maxHalfLife = 365 * maxInterval
	maxAlloc    = 1 << 20
	// minSubsidies is the number of blocks whose subsidies must fit into the supply.
	minSubsidies = 1 << 24
)

// rules is what the genesis fixes for the whole chain.
type rules struct {
	bits     uint32
	target   *big.Int
	interval int64
	halfLife int64
	subsidy  uint64
	supply   uint64 // at genesis
}

// parseGenesis returns the chain's rules, the state at genesis and the genesis block's header.
func parseGenesis(data []byte) (rules, *trie, header, error) {
	var g genesisJSON
	if err := json.Unmarshal(data, &g); err != nil {
		return rules{}, nil, header{}, fmt.Errorf("decode genesis: %w", err)
	}
	r := rules{bits: g.Bits, interval: g.Interval, halfLife: g.HalfLife, subsidy: g.Subsidy}
	switch {
	case len(g.Network) < 1 || len(g.Network) > maxName || strings.ContainsFunc(g.Network, func(c rune) bool { return c < 0x21 || c > 0x7e }):
		return r, nil, header{}, fmt.Errorf("genesis: network name %q must have 1 to %d printable characters", g.Network, maxName)
	case g.Time < 0 || g.Time > maxTime:
		return r, nil, header{}, fmt.Errorf("genesis: time_ms %d is not in 0..%d", g.Time, int64(maxTime))
	case g.Interval < 1 || g.Interval > maxInterval:
		return r, nil, header{}, fmt.Errorf("genesis: interval_ms %d is not in 1..%d", g.Interval, maxInterval)
	case g.HalfLife < 1 || g.HalfLife > maxHalfLife:
		return r, nil, header{}, fmt.Errorf("genesis: half_life_ms %d is not in 1..%d", g.HalfLife, int64(maxHalfLife))
	case len(g.Alloc) > maxAlloc:
		return r, nil, header{}, fmt.Errorf("genesis: %d accounts, at most %d are allowed", len(g.Alloc), maxAlloc)
	}
	var err error
	if r.target, err = expandBits(g.Bits); err != nil {
		return r, nil, header{}, fmt.Errorf("genesis: %w", err)
	}
	be := binary.BigEndian
	enc := be.AppendUint16(nil, uint16(len(g.Network)))
	enc = append(enc, g.Network...)
	enc = be.AppendUint64(enc, uint64(g.Time))
	enc = be.AppendUint32(enc, g.Bits)
	enc = be.AppendUint64(enc, uint64(g.Interval))
	enc = be.AppendUint64(enc, uint64(g.HalfLife))
	enc = be.AppendUint64(enc, g.Subsidy)
	enc = be.AppendUint32(enc, uint32(len(g.Alloc)))
	var state *trie
	var last [32]byte
	for i, a := range g.Alloc {
		addr, err := parse32(a.Address)
		if err != nil {
			return r, nil, header{}, fmt.Errorf("genesis: alloc %d: address: %w", i, err)
		}
		if i > 0 && bytes.Compare(last[:], addr[:]) >= 0 {
			return r, nil, header{}, fmt.Errorf("genesis: alloc %d: address %s is not above the one before", i, a.Address)
		}
		last = addr
		if a.Amount == 0 {
			return r, nil, header{}, fmt.Errorf("genesis: alloc %d: amount is 0", i)
		}
		if r.supply+a.Amount < r.supply {
			return r, nil, header{}, fmt.Errorf("genesis: alloc %d: the supply overflows", i)
		}
		r.supply += a.Amount
		state = state.put(addr, account{balance: a.Amount})
		enc = append(enc, addr[:]...)
		enc = be.AppendUint64(enc, a.Amount)
	}
	if high, mined := bits.Mul64(g.Subsidy, minSubsidies); high != 0 || r.supply+mined < mined {
		return r, nil, header{}, fmt.Errorf("genesis: subsidy %d leaves no room in the supply for %d blocks", g.Subsidy, minSubsidies)
	}
	h := header{version: 1, txRoot: sha256d(enc), stateRoot: state.root(), time: g.Time, bits: g.Bits}
	return r, state, h, nil
}

func parse32(s string) ([32]byte, error) {
	var out [32]byte
	if len(s) != 64 {
		return out, fmt.Errorf("want 64 hex digits, got %d characters", len(s))
	}
	if _, err := hex.Decode(out[:], []byte(s)); err != nil {
		return out, err
	}
	return out, nil
}
