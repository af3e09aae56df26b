package node

import (
	"math"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/relay"
)

// Name is the node's name in the testnet.
func (n *Node) Name() string { return n.cfg.Name }

// Network is the name of the testnet that the node belongs to.
func (n *Node) Network() string { return n.cfg.Genesis.Network }

// Status is what a node says of itself. Counters count since New.
type Status struct {
	Head    chain.Hash
	Height  chain.Height
	Work    chain.Work
	Peers   int // complete handshakes
	Mempool int
	Mining  bool
	Syncing bool // a request for history is outstanding
	Orphans int  // blocks that wait for their parents
	relay.Counters
}

// PeerInfo is a connected peer.
type PeerInfo struct {
	ID       chain.PeerID
	Addr     string // that it advertises; may be empty
	Outbound bool
	Since    Time
	Height   chain.Height // the highest that it has shown or claimed
}

// TxState is how far a transaction has come.
type TxState string

// The states of a transaction.
const (
	TxUnknown  TxState = "unknown"
	TxPending  TxState = "pending"
	TxIncluded TxState = "included"
)

// TxStatus is what a node knows of a transaction. Block, Height and Confirmations (1 for a block that is the head) are
// set when it is included in the best chain.
type TxStatus struct {
	State         TxState
	Block         chain.Hash
	Height        chain.Height
	Confirmations uint64
}

// ID is the node's identity.
func (n *Node) ID() chain.PeerID { return n.id }

// Genesis is the genesis block.
func (n *Node) Genesis() *chain.Block { return n.tree.Genesis() }

// Status describes the node.
func (n *Node) Status() Status {
	s := Status{
		Head: n.tree.Head().Hash(), Height: n.tree.Head().Height, Work: n.tree.HeadWork(),
		Mempool: n.pool.Len(), Mining: n.running && n.miner.on, Syncing: n.sync.peer != nil,
		Orphans: len(n.orphans.list), Counters: n.counters,
	}
	for _, p := range n.peers {
		if p.live() {
			s.Peers++
		}
	}
	return s
}

// Block is a valid block that the node has, on any branch.
func (n *Node) Block(h chain.Hash) (*chain.Block, bool) { return n.tree.Get(h) }

// BlockAt is a block of the best chain.
func (n *Node) BlockAt(h chain.Height) (*chain.Block, bool) { return n.tree.AtHeight(h) }

// Account is an account at the head; the zero Account if it was never used.
func (n *Node) Account(a chain.Address) chain.Account {
	acct, _ := n.tree.HeadState().Get(a)
	return acct
}

// NextNonce is the nonce of an account's next transfer: that at the head plus its pending transactions.
func (n *Node) NextNonce(a chain.Address) uint64 { return n.pool.Next(a, n.Account(a).Nonce) }

// TxStatus finds a transaction by its id.
func (n *Node) TxStatus(id chain.Hash) TxStatus {
	if n.pool.Has(id) {
		return TxStatus{State: TxPending}
	}
	height, ok := n.included.height(&id)
	if !ok {
		return TxStatus{State: TxUnknown}
	}
	b, _ := n.tree.AtHeight(height)
	for i := range b.Txs {
		if b.Txs[i].ID() == id {
			return TxStatus{
				State: TxIncluded, Block: b.Hash(), Height: height,
				Confirmations: uint64(n.tree.Head().Height-height) + 1,
			}
		}
	}
	return TxStatus{State: TxUnknown}
}

// Mempool is the pending transactions, in the order in which blocks take them.
func (n *Node) Mempool() []chain.Tx {
	pending := n.pool.All(math.MaxInt)
	txs := make([]chain.Tx, len(pending))
	for i, m := range pending {
		txs[i] = m.Tx
	}
	return txs
}

// Peers is the connected peers whose handshakes are complete, the oldest first.
func (n *Node) Peers() []PeerInfo {
	out := make([]PeerInfo, 0, len(n.peers))
	for _, p := range n.peers {
		if p.live() {
			out = append(out, PeerInfo{ID: p.id, Addr: p.addr, Outbound: p.outbound, Since: p.since, Height: p.height})
		}
	}
	return out
}
