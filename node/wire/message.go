package wire

import "github.com/netsplit/netsplit/node/chain"

// Message is one of the pointer types below. Messages are immutable once sent: in the simulator, receivers share them.
type Message interface {
	// Type is the message's tag on the wire.
	Type() Type
}

// Type is a message's tag on the wire.
type Type uint8

// The message types.
const (
	TypeHello Type = iota + 1
	TypePing
	TypePong
	TypeTx
	TypeBlock
	TypeInv
	TypeGet
	TypeGetBlocks
	TypeBlocks
	TypeAddrs
)

// Limits; the decoder refuses more.
const (
	Version        = 1
	MaxMessageSize = 4 << 20
	MaxInv         = 1024 // hashes in Inv and Get
	MaxLocator     = 64   // hashes in GetBlocks
	MaxBlocks      = 256  // blocks in Blocks
	MaxAddrs       = 64   // addresses in Addrs
	MaxAddrLen     = 64   // bytes of one host:port
)

// Hello is the first message in each direction.
type Hello struct {
	Version uint32
	Genesis chain.Hash
	Head    chain.Hash
	Height  chain.Height
	Work    chain.Work // cumulative work of the head
	Addr    string     // host:port that the sender listens on; may be empty
}

// Ping asks for a Pong with the same Nonce.
type Ping struct{ Nonce uint64 }

// Pong answers a Ping.
type Pong struct{ Nonce uint64 }

// Tx carries one transaction.
type Tx struct {
	Tx chain.Tx
	// id is Tx.ID(), when hashed: NewTx and Decode compute it once, so that the receivers who share the message need not.
	id     chain.Hash
	hashed bool
}

// NewTx makes the message and computes the transaction's id.
func NewTx(t chain.Tx) *Tx { return &Tx{Tx: t, id: t.ID(), hashed: true} }

// ID is the transaction's id. It costs nothing on a message from NewTx or Decode, and is computed anew on any other.
func (m *Tx) ID() chain.Hash {
	if m.hashed {
		return m.id
	}
	return m.Tx.ID()
}

// Block carries one new block.
type Block struct{ Block *chain.Block }

// Item is the kind of thing that Inv and Get name.
type Item uint8

// The kinds of item.
const (
	ItemTx    Item = 1
	ItemBlock Item = 2
)

// Inv announces items that the sender has.
type Inv struct {
	Item   Item
	Hashes []chain.Hash
}

// Get asks for items; a Tx or Block message answers each.
type Get struct {
	Item   Item
	Hashes []chain.Hash
}

// GetBlocks asks for the blocks of the receiver's best chain after the first hash of Locator that is on it. Locator
// goes from the sender's head backwards, dense and then in doubling steps, and ends with genesis.
type GetBlocks struct{ Locator []chain.Hash }

// Blocks answers GetBlocks: consecutive blocks, ascending; More says that there are more.
type Blocks struct {
	Blocks []*chain.Block
	More   bool
}

// Addr is a peer that the sender knows.
type Addr struct {
	ID   chain.PeerID
	Addr string // host:port
}

// Addrs tells of peers.
type Addrs struct{ Addrs []Addr }
