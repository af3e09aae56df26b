package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/netsplit/netsplit/faults"
	nodechain "github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// maxAnswer bounds what is read of a node's answer: a full block as JSON with room to spare, which still fits into the trace.
const maxAnswer = trace.MaxLine - 64<<10

// maxObjects bounds the objects of an answer: the transactions of a full block. A text of small ones takes much more memory
// than its length.
const maxObjects = 16 << 10

// Client is a chain.Client for one netsplit node.
type Client struct {
	chain *Chain
	self  *member
}

// Client implements chain.Chain. The node must be part of the prepared network.
func (c *Chain) Client(id faults.NodeID) chain.Client {
	return &Client{chain: c, self: c.members[id]}
}

// Status implements chain.Client.
func (c *Client) Status(ctx context.Context) (trace.Status, error) {
	var s struct {
		Head       trace.Hash `json:"head"`
		Height     uint64     `json:"height"`
		Peers      int        `json:"peers"`
		Mempool    int        `json:"mempool"`
		Sent       uint64     `json:"sent"`
		Received   uint64     `json:"received"`
		Duplicates uint64     `json:"duplicates"`
		Time       int64      `json:"t"`
	}
	if err := c.do(ctx, http.MethodGet, "/v1/status", nil, &s); err != nil {
		return trace.Status{}, err
	}
	return trace.Status{
		Head: s.Head, Height: s.Height, Peers: s.Peers, Mempool: s.Mempool,
		Sent: s.Sent, Received: s.Received, Duplicates: s.Duplicates, Time: time.Unix(0, s.Time),
	}, nil
}

// answer reads what a node says of itself.
func (c *Chain) answer(ctx context.Context, id faults.NodeID) (trace.Answer, error) {
	client := Client{chain: c, self: c.members[id]}
	var s struct {
		Time    int64      `json:"t"`
		Head    trace.Hash `json:"head"`
		Height  uint64     `json:"height"`
		Work    string     `json:"work"`
		Peers   int        `json:"peers"`
		Mempool int        `json:"mempool"`
		Mining  bool       `json:"mining"`
		Syncing bool       `json:"syncing"`
		trace.Counters
	}
	var p struct {
		Time  int64 `json:"t"`
		Peers []struct {
			ID       nodechain.PeerID `json:"id"`
			Outbound bool             `json:"outbound"`
			Relayed  uint64           `json:"relayed"`
			Sent     uint64           `json:"sent"`
			Received uint64           `json:"received"`
		} `json:"peers"`
	}
	if err := client.do(ctx, http.MethodGet, "/v1/peers", nil, &p); err != nil {
		return trace.Answer{}, err
	}
	if err := client.do(ctx, http.MethodGet, "/v1/status", nil, &s); err != nil {
		return trace.Answer{}, err
	}
	var head struct {
		Hash trace.Hash `json:"hash"`
	}
	if err := client.do(ctx, http.MethodGet, "/v1/head", nil, &head); err != nil {
		return trace.Answer{}, err
	}
	out := trace.Answer{
		Clock: time.Unix(0, s.Time).UTC(), Head: s.Head, Height: s.Height, PeerCount: s.Peers, PeersClock: time.Unix(0, p.Time).UTC(),
		Counters: &s.Counters,
		Mode:     &trace.ModeAnswer{Work: s.Work, Pending: s.Mempool, Mining: s.Mining, Syncing: s.Syncing},
	}
	// It must be the one of the status. The caller drops the blocks of an answer during which the head changed.
	out.Blocks = append(out.Blocks, trace.BlockAnswer{Height: s.Height, Hash: head.Hash})
	for _, x := range p.Peers {
		out.Peers = append(out.Peers, trace.PeerAnswer{Peer: trace.NodeID(c.name(x.ID)), Outbound: x.Outbound, Relayed: x.Relayed, Sent: x.Sent, Received: x.Received})
	}
	return out, nil
}

// account reads from a node the account of another.
func (c *Chain) account(ctx context.Context, id, of faults.NodeID) (trace.AccountAnswer, error) {
	owner, ok := c.members[of]
	if !ok {
		return trace.AccountAnswer{}, fmt.Errorf("no node %s", of)
	}
	client := Client{chain: c, self: c.members[id]}
	a, err := client.Account(ctx, owner.key.Address())
	return trace.AccountAnswer{Address: owner.key.Address().String(), Balance: uint64(a.Balance), Nonce: a.Nonce}, err
}

// tx reads what a node says of a transaction.
func (c *Chain) tx(ctx context.Context, id faults.NodeID, tx trace.Hash) (trace.TxAnswer, error) {
	client := Client{chain: c, self: c.members[id]}
	s, err := client.Tx(ctx, tx)
	return trace.TxAnswer{Tx: tx, Status: s.Status, Block: s.Block, Height: s.Height, Confirmations: s.Confirmations}, err
}

// Block implements chain.Client.
func (c *Client) Block(ctx context.Context, h trace.Hash) (trace.Block, error) {
	var b struct {
		Hash   trace.Hash `json:"hash"`
		Parent trace.Hash `json:"parent"`
		Height uint64     `json:"height"`
		TimeMS int64      `json:"time_ms"`
		Miner  string     `json:"miner"`
		Txs    []struct {
			ID trace.Hash `json:"id"`
		} `json:"txs"`
		Raw []byte `json:"raw"`
	}
	if err := c.do(ctx, http.MethodGet, "/v1/blocks/"+string(h), nil, &b); err != nil {
		return trace.Block{}, err
	}
	if b.Hash != h {
		return trace.Block{}, fmt.Errorf("requested block %s and got %s", h, b.Hash)
	}
	out := trace.Block{
		Hash: b.Hash, Parent: b.Parent, Height: b.Height,
		Time: time.UnixMilli(b.TimeMS).UTC(), Producer: b.Miner, Raw: b.Raw,
	}
	for _, t := range b.Txs {
		out.Txs = append(out.Txs, t.ID)
	}
	return out, nil
}

// Transfer implements chain.Client; the fee is 1.
func (c *Client) Transfer(ctx context.Context, to faults.NodeID, amount uint64) (trace.Hash, error) {
	dest, ok := c.chain.members[to]
	if !ok {
		return "", fmt.Errorf("no node %s", to)
	}
	return c.Send(ctx, c.self.key, dest.key.Address(), nodechain.Amount(amount), 1)
}

// Send signs a transfer with key and submits it to the client's node; it returns the transaction's id. The nonce is the
// next one that the node expects of the sender.
func (c *Client) Send(ctx context.Context, key nodechain.Key, to nodechain.Address, amount, fee nodechain.Amount) (trace.Hash, error) {
	account, err := c.Account(ctx, key.Address())
	if err != nil {
		return "", err
	}
	tx := nodechain.Tx{From: key.Address(), To: to, Amount: amount, Fee: fee, Nonce: account.NextNonce}
	key.Sign(c.chain.genesis, &tx)
	var answer struct {
		ID trace.Hash `json:"id"`
	}
	if err := c.do(ctx, http.MethodPost, "/v1/transactions", tx, &answer); err != nil {
		return "", err
	}
	return answer.ID, nil
}

// HashAt implements chain.Client.
func (c *Client) HashAt(ctx context.Context, height uint64) (trace.Hash, error) {
	var b struct {
		Hash trace.Hash `json:"hash"`
	}
	err := c.do(ctx, http.MethodGet, fmt.Sprintf("/v1/blocks/%d", height), nil, &b)
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Code == http.StatusNotFound {
		err = fmt.Errorf("height %d: %w", height, chain.ErrNoBlock)
	}
	return b.Hash, err
}

// FindTx implements chain.Client. The node itself knows where a transaction is.
func (c *Client) FindTx(ctx context.Context, id trace.Hash, _ uint64) (height uint64, failed error) {
	err := chain.PollTx(ctx, func() bool {
		s, err := c.Tx(ctx, id)
		height, failed = s.Height, err
		return err != nil || s.Status == "included"
	})
	if err != nil {
		return 0, err
	}
	return height, failed
}

// Account is an account as a node knows it at its head; NextNonce counts the sender's pending transfers too.
type Account struct {
	Address   nodechain.Address `json:"address"`
	Balance   nodechain.Amount  `json:"balance"`
	Nonce     uint64            `json:"nonce"`
	NextNonce uint64            `json:"next_nonce"`
}

// Account reads an account; an account that the ledger does not have is empty, not an error.
func (c *Client) Account(ctx context.Context, a nodechain.Address) (Account, error) {
	var out Account
	err := c.do(ctx, http.MethodGet, "/v1/accounts/"+a.String(), nil, &out)
	return out, err
}

// TxStatus is what a node knows of a transaction.
type TxStatus struct {
	Status        string     `json:"status"` // "unknown", "pending" or "included"
	Block         trace.Hash `json:"block"`
	Height        uint64     `json:"height"`
	Confirmations uint64     `json:"confirmations"`
}

// Tx reads what the node knows of a transaction.
func (c *Client) Tx(ctx context.Context, id trace.Hash) (TxStatus, error) {
	var out TxStatus
	err := c.do(ctx, http.MethodGet, "/v1/transactions/"+string(id), nil, &out)
	return out, err
}

// do makes one request and decodes the answer into out. An answer of 4xx or 5xx is an error with the node's own words.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	if c.self == nil {
		return fmt.Errorf("%s %s: no such node", method, path)
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.self.base+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.chain.http.Do(req)
	if err != nil {
		return fmt.Errorf("node %s: %w", c.self.node.ID, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("node %s: %s %s: %w", c.self.node.ID, method, path, err)
	}
	if resp.StatusCode >= 400 {
		return fmt.Errorf("node %s: %s %s: %w", c.self.node.ID, method, path, refusal(resp.StatusCode, text))
	}
	if n := bytes.Count(text, []byte{'{'}); n > maxObjects {
		return fmt.Errorf("node %s: %s %s: %d objects in one answer, at most %d are read", c.self.node.ID, method, path, n, maxObjects)
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("node %s: %s %s: undecodable answer: %w", c.self.node.ID, method, path, err)
	}
	return nil
}

// RefusedError is a node's own refusal of a request.
type RefusedError struct {
	Code   int // HTTP status
	Reason string
}

// Error implements error.
func (r *RefusedError) Error() string { return fmt.Sprintf("refused: %s", r.Reason) }

func refusal(code int, text []byte) error {
	var e struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(text, &e) != nil || e.Error == "" {
		e.Error = http.StatusText(code)
	}
	return &RefusedError{Code: code, Reason: e.Error}
}
