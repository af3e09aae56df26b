package api

import (
	"net/http"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
)

// Status is a node as /v1/status gives it. The counters count transactions and blocks since the node started.
type Status struct {
	Name        string       `json:"name"`
	ID          chain.PeerID `json:"id"`
	Network     string       `json:"network"`
	GenesisHash chain.Hash   `json:"genesis_hash"`
	Head        chain.Hash   `json:"head"`
	Height      chain.Height `json:"height"`
	Work        chain.Work   `json:"work"`
	Peers       int          `json:"peers"`
	Mempool     int          `json:"mempool"`
	Mining      bool         `json:"mining"`
	Syncing     bool         `json:"syncing"`
	Orphans     int          `json:"orphans"`
	Sent        uint64       `json:"sent"`
	Received    uint64       `json:"received"`
	Duplicates  uint64       `json:"duplicates"`
	Version     string       `json:"version"`
}

func (s *server) status(r *http.Request) (any, error) {
	var view Status
	err := s.query(r.Context(), func(n *node.Node) {
		st := n.Status()
		view = Status{
			Name: n.Name(), ID: n.ID(), Network: n.Network(), GenesisHash: n.Genesis().Hash(),
			Head: st.Head, Height: st.Height, Work: st.Work, Peers: st.Peers, Mempool: st.Mempool,
			Mining: st.Mining, Syncing: st.Syncing, Orphans: st.Orphans,
			Sent: st.Sent, Received: st.Received, Duplicates: st.Duplicates, Version: Version(),
		}
	})
	return view, err
}

// Mempool is the pending transactions as /v1/mempool gives them: Count is of all, Txs holds the first thousand.
type Mempool struct {
	Count int  `json:"count"`
	Txs   []Tx `json:"txs"`
}

func (s *server) mempool(r *http.Request) (any, error) {
	var view Mempool
	var txs []chain.Tx
	err := s.query(r.Context(), func(n *node.Node) {
		pending := n.Mempool()
		view.Count = len(pending)
		txs = append(txs, pending[:min(len(pending), maxMempool)]...)
	})
	view.Txs = txViews(txs)
	return view, err
}

// Peer is a connected peer as /v1/peers gives it.
type Peer struct {
	ID          chain.PeerID `json:"id"`
	Addr        string       `json:"addr"` // that it advertises; may be empty
	Outbound    bool         `json:"outbound"`
	Height      chain.Height `json:"height"`
	ConnectedMS int64        `json:"connected_ms"` // how long it has been connected
}

func (s *server) peers(r *http.Request) (any, error) {
	views := []Peer{}
	err := s.backend.Do(r.Context(), func(n *node.Node, now node.Time) []node.Effect {
		for _, p := range n.Peers() {
			views = append(views, Peer{ID: p.ID, Addr: p.Addr, Outbound: p.Outbound, Height: p.Height,
				ConnectedMS: int64(now-p.Since) / 1e6})
		}
		return nil
	})
	return struct {
		Peers []Peer `json:"peers"`
	}{views}, err
}

// TxStatus is how far a transaction has come, as /v1/transactions/{id} gives it.
type TxStatus struct {
	ID            chain.Hash    `json:"id"`
	Status        node.TxState  `json:"status"`
	Block         *chain.Hash   `json:"block,omitempty"`
	Height        *chain.Height `json:"height,omitempty"`
	Confirmations uint64        `json:"confirmations"`
}

func (s *server) transaction(r *http.Request) (any, error) {
	id, err := chain.ParseHash(r.PathValue("id"))
	if err != nil {
		return nil, badRequest("transaction: %w", err)
	}
	var st node.TxStatus
	if err := s.query(r.Context(), func(n *node.Node) { st = n.TxStatus(id) }); err != nil {
		return nil, err
	}
	view := TxStatus{ID: id, Status: st.State, Confirmations: st.Confirmations}
	if st.State == node.TxIncluded {
		view.Block, view.Height = &st.Block, &st.Height
	}
	return view, nil
}
