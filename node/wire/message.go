package wire

import (
	"fmt"

	"github.com/netsplit/netsplit/node/chain"
)

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

// Limits; the decoder rejects more.
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

// Ping requests a Pong with the same Nonce.
type Ping struct{ Nonce uint64 }

// Pong answers a Ping.
type Pong struct{ Nonce uint64 }

// Tx carries one transaction.
type Tx struct {
	Tx chain.Tx
	// id is Tx.ID() if hashed: NewTx and Decode compute it once for all receivers that share the message.
	id     chain.Hash
	hashed bool
}

// NewTx returns the message of a transaction and computes its id.
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

// Item is the kind of item that Inv and Get list.
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

// Get requests items; a Tx or Block message answers each.
type Get struct {
	Item   Item
	Hashes []chain.Hash
}

// GetBlocks requests the blocks of the receiver's best chain after the first hash of Locator that is on it. Locator goes
// from the sender's head backwards, first every block and then in doubling steps, and ends with genesis.
type GetBlocks struct{ Locator []chain.Hash }

// Blocks answers GetBlocks: consecutive blocks, ascending. More reports that there are more.
type Blocks struct {
	Blocks []*chain.Block
	More   bool
}

// Addr is a peer that the sender knows.
type Addr struct {
	ID   chain.PeerID
	Addr string // host:port
}

// Addrs lists peers.
type Addrs struct{ Addrs []Addr }

// Raw is bytes in place of an encoded message, as an adversary sends them. Decode never returns one, and Check refuses it.
type Raw struct {
	Payload []byte
	Claimed uint32 // length that the frame claims to have; 0: that of Payload
}

// Decode decodes the message as its receiver does: the error wraps ErrMalformed where the bytes are none, or
// ErrFrameSize.
func (m *Raw) Decode() (Message, error) {
	if m.Claimed > MaxMessageSize {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrFrameSize, m.Claimed, MaxMessageSize)
	}
	return Decode(m.Payload)
}

func (*Raw) Type() Type       { return 0 }
func (*Hello) Type() Type     { return TypeHello }
func (*Ping) Type() Type      { return TypePing }
func (*Pong) Type() Type      { return TypePong }
func (*Tx) Type() Type        { return TypeTx }
func (*Block) Type() Type     { return TypeBlock }
func (*Inv) Type() Type       { return TypeInv }
func (*Get) Type() Type       { return TypeGet }
func (*GetBlocks) Type() Type { return TypeGetBlocks }
func (*Blocks) Type() Type    { return TypeBlocks }
func (*Addrs) Type() Type     { return TypeAddrs }

// String is the message type's name in lower case.
func (t Type) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return "unknown"
}

var typeNames = [...]string{
	TypeHello: "hello", TypePing: "ping", TypePong: "pong", TypeTx: "tx", TypeBlock: "block", TypeInv: "inv",
	TypeGet: "get", TypeGetBlocks: "get_blocks", TypeBlocks: "blocks", TypeAddrs: "addrs",
}
