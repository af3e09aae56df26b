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

// Status is a summary of the node. Counters count since New.
type Status struct {
	Head    chain.Hash
	Height  chain.Height
	Work    chain.Work
	Peers   int // with a complete handshake
	Mempool int
	Mining  bool
	Syncing bool // a GetBlocks request is outstanding
	Orphans int  // blocks whose parents are unknown
	relay.Counters
}

// PeerInfo is a connected peer.
type PeerInfo struct {
	ID       chain.PeerID
	Addr     string // advertised by the peer; may be empty
	Outbound bool
	Since    Time
	Height   chain.Height // the highest block that it sent, announced or claimed
	// Relayed counts what the peer has sent of blocks on this connection: announced hashes, and blocks other than history.
	Relayed uint64
	// Sent and Received count blocks and transactions on this connection, without history: see relay.Counters.
	Sent, Received uint64
}

// Ban is a peer that the node refuses to connect to for a while.
type Ban struct {
	ID     chain.PeerID
	Until  Time
	Reason string
}

// TxState is the state of a transaction.
type TxState string

// The states of a transaction.
const (
	TxUnknown  TxState = "unknown"
	TxPending  TxState = "pending"
	TxIncluded TxState = "included"
)

// TxStatus is what the node knows about a transaction. Block, Height and Confirmations (1 if the block is the head) are
// set when it is included in the canonical chain.
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

// Status returns a summary of the node.
func (n *Node) Status() Status {
	return Status{
		Head: n.tree.Head().Hash(), Height: n.tree.Head().Height, Work: n.tree.HeadWork(),
		Mempool: n.pool.Len(), Mining: n.running && n.miner.on, Syncing: n.sync.peer != nil,
		Orphans: len(n.orphans.list), Peers: n.countPeers((*peer).live), Counters: n.counters,
	}
}

// Block returns a valid block by its hash, on any branch.
func (n *Node) Block(h chain.Hash) (*chain.Block, bool) { return n.tree.Get(h) }

// BlockAt returns the block of the canonical chain at a height.
func (n *Node) BlockAt(h chain.Height) (*chain.Block, bool) { return n.tree.AtHeight(h) }

// Account returns an account at the head, the zero Account if it was never used.
func (n *Node) Account(a chain.Address) chain.Account {
	acct, _ := n.tree.HeadState().Get(a)
	return acct
}

// NextNonce returns the nonce of an account's next transfer: the nonce at the head plus the pending transactions.
func (n *Node) NextNonce(a chain.Address) uint64 { return n.pool.Next(a, n.Account(a).Nonce) }

// TxStatus returns the status of a transaction by its id.
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

// Mempool returns the pending transactions, in the order in which blocks include them.
func (n *Node) Mempool() []chain.Tx {
	pending := n.pool.All(math.MaxInt)
	txs := make([]chain.Tx, len(pending))
	for i, m := range pending {
		txs[i] = m.Tx
	}
	return txs
}

// Peers returns the peers with a complete handshake, the oldest connection first.
func (n *Node) Peers() []PeerInfo {
	out := make([]PeerInfo, 0, len(n.peers))
	for _, p := range n.peers {
		if p.live() {
			out = append(out, PeerInfo{
				ID: p.id, Addr: p.addr, Outbound: p.outbound, Since: p.since, Height: p.height,
				Relayed: p.relayed, Sent: p.sent, Received: p.received,
			})
		}
	}
	return out
}

// Bans returns the bans that have not ended at a time, in no particular order.
func (n *Node) Bans(now Time) []Ban {
	var out []Ban
	n.bans.Each(int64(now), func(id chain.PeerID, until int64, reason string) {
		out = append(out, Ban{ID: id, Until: Time(until), Reason: reason})
	})
	return out
}
