package chain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Genesis is what the nodes of a testnet must agree on before they start. Its JSON form is part of every node's
// configuration and of every trace.
type Genesis struct {
	// Network is the name of the testnet. Networks with different names never accept each other's transactions.
	Network string `json:"network"`
	Time    Millis `json:"time_ms"`
	// Bits is the target of block 1.
	Bits uint32 `json:"bits"`
	// Interval is the block interval that the difficulty aims at, and HalfLife the time off schedule that doubles or
	// halves it, in milliseconds (aserti3-2d).
	Interval Millis `json:"interval_ms"`
	HalfLife Millis `json:"half_life_ms"`
	// Subsidy is the amount that each block creates for its miner, besides the fees of its transactions.
	Subsidy Amount  `json:"subsidy"`
	Alloc   []Alloc `json:"alloc"`
}

// Alloc is an account's balance at genesis. Addresses are unique and in ascending order.
type Alloc struct {
	Address Address `json:"address"`
	Amount  Amount  `json:"amount"`
}

// Bounds of a genesis.
const (
	MaxNetworkName = 64               // bytes
	MaxInterval    = Millis(86_400e3) // a day
	MaxHalfLife    = 365 * MaxInterval
	MaxAlloc       = 1 << 20         // accounts
	MaxTime        = Millis(1) << 47 // about the year 6400
	MinBlocks      = 1 << 24         // number of blocks whose subsidies must fit into the supply
)

// Validate checks what the rules presuppose: name, ranges, the order of Alloc, and that the supply cannot overflow within
// MinBlocks blocks.
func (g *Genesis) Validate() error {
	if err := g.validate(); err != nil {
		return fmt.Errorf("genesis %q: %w", g.Network, err)
	}
	return nil
}

func (g *Genesis) validate() error {
	switch {
	case g.Network == "":
		return errors.New("network: name is empty")
	case len(g.Network) > MaxNetworkName:
		return fmt.Errorf("network: name has %d bytes, at most %d are allowed", len(g.Network), MaxNetworkName)
	case g.Time < 0 || g.Time > MaxTime:
		return fmt.Errorf("time_ms: %d is not in 0..%d", g.Time, MaxTime)
	case g.Interval < 1 || g.Interval > MaxInterval:
		return fmt.Errorf("interval_ms: %d is not in 1..%d", g.Interval, MaxInterval)
	case g.HalfLife < 1 || g.HalfLife > MaxHalfLife:
		return fmt.Errorf("half_life_ms: %d is not in 1..%d", g.HalfLife, MaxHalfLife)
	case len(g.Alloc) > MaxAlloc:
		return fmt.Errorf("alloc: %d accounts, at most %d are allowed", len(g.Alloc), MaxAlloc)
	}
	for _, c := range []byte(g.Network) {
		if c < 0x21 || c > 0x7e {
			return fmt.Errorf("network: name has the byte %#02x; printable ASCII without spaces is allowed", c)
		}
	}
	if _, err := TargetFromBits(g.Bits); err != nil {
		return fmt.Errorf("bits: %w", err)
	}
	return g.validateSupply()
}

func (g *Genesis) validateSupply() error {
	var total, carry uint64
	for i, a := range g.Alloc {
		if a.Amount == 0 {
			return fmt.Errorf("alloc %d (%s): amount is zero", i, a.Address)
		}
		if i > 0 {
			switch g.Alloc[i-1].Address.Cmp(a.Address) {
			case 0:
				return fmt.Errorf("alloc %d (%s): address appears twice", i, a.Address)
			case 1:
				return fmt.Errorf("alloc %d (%s): addresses are not in ascending order", i, a.Address)
			}
		}
		if total, carry = bits.Add64(total, uint64(a.Amount), 0); carry != 0 {
			return fmt.Errorf("alloc %d (%s): total supply overflows", i, a.Address)
		}
	}
	high, mined := bits.Mul64(uint64(g.Subsidy), MinBlocks)
	if _, carry = bits.Add64(total, mined, 0); high != 0 || carry != 0 {
		return fmt.Errorf("subsidy: %d a block leaves no room in the supply for %d blocks", g.Subsidy, MinBlocks)
	}
	return nil
}

func (g *Genesis) equal(o *Genesis) bool {
	return g.Network == o.Network && g.Time == o.Time && g.Bits == o.Bits && g.Interval == o.Interval &&
		g.HalfLife == o.HalfLife && g.Subsidy == o.Subsidy && slices.Equal(g.Alloc, o.Alloc)
}

// State is the ledger at genesis. g must be valid.
func (g *Genesis) State() State {
	accounts := make([]entry, len(g.Alloc))
	for i, a := range g.Alloc {
		accounts[i] = entry{a.Address, Account{Balance: a.Amount}}
	}
	return State{}.with(accounts)
}

// Append appends the canonical binary encoding, to which the genesis block commits.
func (g *Genesis) Append(b []byte) []byte {
	b = slices.Grow(b, 2+len(g.Network)+40+len(g.Alloc)*40)
	b = binary.BigEndian.AppendUint16(b, uint16(len(g.Network)))
	b = append(b, g.Network...)
	b = binary.BigEndian.AppendUint64(b, uint64(g.Time))
	b = binary.BigEndian.AppendUint32(b, g.Bits)
	b = binary.BigEndian.AppendUint64(b, uint64(g.Interval))
	b = binary.BigEndian.AppendUint64(b, uint64(g.HalfLife))
	b = binary.BigEndian.AppendUint64(b, uint64(g.Subsidy))
	b = binary.BigEndian.AppendUint32(b, uint32(len(g.Alloc)))
	for _, a := range g.Alloc {
		b = append(b, a.Address[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(a.Amount))
	}
	return b
}

// Block is the genesis block, at height 0: it has no transactions, its TxRoot is the hash of the genesis' own encoding
// and its StateRoot that of Alloc. g must be valid. Each call computes it again.
func (g *Genesis) Block() *Block { return g.block(g.State()) }

func (g *Genesis) block(s State) *Block {
	return NewBlock(Header{
		Version:   HeaderVersion,
		TxRoot:    sha256d(g.Append(nil)),
		StateRoot: s.Root(),
		Time:      g.Time,
		Bits:      g.Bits,
	}, nil)
}
