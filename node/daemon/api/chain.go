package api

import (
	"encoding/base64"
	"net/http"
	"strconv"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
)

// Block is a block as /v1/head and /v1/blocks give it.
type Block struct {
	Hash chain.Hash `json:"hash"`
	chain.Header
	Txs []Tx `json:"txs"`
	// Raw is the canonical encoding, base64: from it anybody can check all the rest.
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

// finder returns what looks up the block of that name: a hash, which has 64 digits, or a height on the best chain.
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

// Account is an account as /v1/accounts gives it, at the head.
type Account struct {
	Address   chain.Address `json:"address"`
	Balance   chain.Amount  `json:"balance"`
	Nonce     uint64        `json:"nonce"`
	NextNonce uint64        `json:"next_nonce"` // counts pending transactions in
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
