package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/version"
)

// Block is the answer of /v1/head and /v1/blocks/{block}.
type Block struct {
	Hash chain.Hash `json:"hash"`
	chain.Header
	Txs []Tx `json:"txs"`
	// Raw is the canonical encoding in base64, from which a client can verify the rest.
	Raw string `json:"raw"`
}

// Tx is a transaction with its id.
type Tx struct {
	chain.Tx
	ID chain.Hash `json:"id"`
}

func blockView(b *chain.Block) Block {
	return Block{
		Hash: b.Hash(), Header: b.Header, Txs: txViews(b.Txs),
		Raw: base64.StdEncoding.EncodeToString(b.Append(make([]byte, 0, b.Size()))),
	}
}

func txViews(txs []chain.Tx) []Tx {
	views := make([]Tx, len(txs))
	for i := range txs {
		views[i] = Tx{Tx: txs[i], ID: txs[i].ID()}
	}
	return views
}

func (s *server) head(r *http.Request) (any, error) {
	var b *chain.Block
	err := s.query(r.Context(), func(n *node.Node) { b, _ = n.Block(n.Status().Head) })
	if err != nil {
		return nil, err
	}
	return blockView(b), nil
}

func (s *server) block(r *http.Request) (any, error) {
	name := r.PathValue("block")
	find, err := finder(name)
	if err != nil {
		return nil, err
	}
	var b *chain.Block
	if err := s.query(r.Context(), func(n *node.Node) { b, _ = find(n) }); err != nil {
		return nil, err
	}
	if b == nil {
		return nil, notFound("no block %s", name)
	}
	return blockView(b), nil
}

// finder returns a lookup of a block by its name: a hash of 64 digits, or a height of the canonical chain.
func finder(name string) (func(*node.Node) (*chain.Block, bool), error) {
	if len(name) == 2*len(chain.Hash{}) {
		h, err := chain.ParseHash(name)
		if err != nil {
			return nil, badRequest("block: %w", err)
		}
		return func(n *node.Node) (*chain.Block, bool) { return n.Block(h) }, nil
	}
	height, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		return nil, badRequest("block: %q is neither a height nor a hash of 64 hex digits", name)
	}
	return func(n *node.Node) (*chain.Block, bool) { return n.BlockAt(chain.Height(height)) }, nil
}

// Account is the answer of /v1/accounts/{address}: the account at the head.
type Account struct {
	Address   chain.Address `json:"address"`
	Balance   chain.Amount  `json:"balance"`
	Nonce     uint64        `json:"nonce"`
	NextNonce uint64        `json:"next_nonce"` // after the pending transactions
}

func (s *server) account(r *http.Request) (any, error) {
	address, err := chain.ParseAddress(r.PathValue("address"))
	if err != nil {
		return nil, badRequest("account: %w", err)
	}
	view := Account{Address: address}
	err = s.query(r.Context(), func(n *node.Node) {
		a := n.Account(address)
		view.Balance, view.Nonce, view.NextNonce = a.Balance, a.Nonce, n.NextNonce(address)
	})
	return view, err
}

// Status is the answer of /v1/status. The counters count transactions and blocks since the node started. Time is the
// node's clock, in nanoseconds since 1970, as in its event log.
type Status struct {
	Time        node.Time    `json:"t"`
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
	// Announced counts the hashes that peers announced, History the blocks that they sent as history.
	Announced uint64 `json:"announced"`
	History   uint64 `json:"history"`
	Version   string `json:"version"`
}

func (s *server) status(r *http.Request) (any, error) {
	var view Status
	err := s.backend.Do(r.Context(), func(n *node.Node, now node.Time) []node.Effect {
		st := n.Status()
		view = Status{
			Time: now, Name: n.Name(), ID: n.ID(), Network: n.Network(), GenesisHash: n.Genesis().Hash(),
			Head: st.Head, Height: st.Height, Work: st.Work, Peers: st.Peers, Mempool: st.Mempool,
			Mining: st.Mining, Syncing: st.Syncing, Orphans: st.Orphans,
			Sent: st.Sent, Received: st.Received, Duplicates: st.Duplicates,
			Announced: st.AnnouncesReceived, History: st.SyncReceived, Version: version.String(),
		}
		return nil
	})
	return view, err
}

// Mempool is the answer of /v1/mempool: the number of pending transactions, and the first thousand of them.
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

// Peer is a connected peer in the answer of /v1/peers.
type Peer struct {
	ID          chain.PeerID `json:"id"`
	Addr        string       `json:"addr"` // advertised by the peer; may be empty
	Outbound    bool         `json:"outbound"`
	Height      chain.Height `json:"height"`
	ConnectedMS int64        `json:"connected_ms"` // age of the connection
	// Relayed counts what the peer has sent of blocks on this connection: announced hashes, and blocks other than history.
	Relayed uint64 `json:"relayed"`
	// Sent and Received count blocks and transactions on this connection, history apart.
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
}

// Ban is a peer that the node refuses, in the answer of /v1/peers.
type Ban struct {
	ID     chain.PeerID `json:"id"`
	LeftMS int64        `json:"left_ms"` // until the ban ends
	Reason string       `json:"reason"`
}

func (s *server) peers(r *http.Request) (any, error) {
	var now node.Time
	views, bans := []Peer{}, []Ban{}
	err := s.backend.Do(r.Context(), func(n *node.Node, at node.Time) []node.Effect {
		now = at
		for _, p := range n.Peers() {
			views = append(views, Peer{ID: p.ID, Addr: p.Addr, Outbound: p.Outbound, Height: p.Height,
				ConnectedMS: int64(now-p.Since) / 1e6, Relayed: p.Relayed, Sent: p.Sent, Received: p.Received})
		}
		for _, b := range n.Bans(now) {
			bans = append(bans, Ban{ID: b.ID, LeftMS: int64(b.Until-now) / 1e6, Reason: b.Reason})
		}
		return nil
	})
	return struct {
		Time  node.Time `json:"t"`
		Peers []Peer    `json:"peers"`
		Bans  []Ban     `json:"bans"`
	}{now, views, bans}, err
}

// TxStatus is the answer of /v1/transactions/{id}.
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

// Submitted is the answer of POST /v1/transactions.
type Submitted struct {
	ID chain.Hash `json:"id"`
}

func (s *server) submit(r *http.Request) (int, any, error) {
	tx, err := decodeTx(r.Body)
	if err != nil {
		return 0, nil, err
	}
	var refused error
	err = s.backend.Do(r.Context(), func(n *node.Node, now node.Time) []node.Effect {
		effects, err := n.Submit(now, tx)
		refused = err
		return effects
	})
	if err != nil {
		return 0, nil, err
	}
	if refused != nil {
		return 0, nil, &statusError{http.StatusUnprocessableEntity, refused}
	}
	return http.StatusAccepted, Submitted{ID: tx.ID()}, nil
}

// decodeTx reads exactly one transaction, with all fields and no others.
func decodeTx(body io.Reader) (chain.Tx, error) {
	var tx chain.Tx
	text, err := io.ReadAll(body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tx, &statusError{http.StatusRequestEntityTooLarge, errors.New("transaction: body is larger than 64 KiB")}
	}
	if err != nil {
		return tx, badRequest("transaction: read body: %w", err)
	}
	var fields struct {
		From   *chain.Address   `json:"from"`
		To     *chain.Address   `json:"to"`
		Amount *chain.Amount    `json:"amount"`
		Fee    *chain.Amount    `json:"fee"`
		Nonce  *uint64          `json:"nonce"`
		Sig    *chain.Signature `json:"sig"`
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&fields); err != nil {
		return tx, badRequest("transaction: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return tx, badRequest("transaction: text after the end of the object")
	}
	if fields.From == nil || fields.To == nil || fields.Amount == nil || fields.Fee == nil || fields.Nonce == nil || fields.Sig == nil {
		return tx, badRequest("transaction: from, to, amount, fee, nonce and sig are required")
	}
	return chain.Tx{From: *fields.From, To: *fields.To, Amount: *fields.Amount, Fee: *fields.Fee,
		Nonce: *fields.Nonce, Sig: *fields.Sig}, nil
}
