package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
)

// Submitted answers POST /v1/transactions.
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
		return 0, nil, &problem{http.StatusUnprocessableEntity, refused}
	}
	return http.StatusAccepted, Submitted{ID: tx.ID()}, nil
}

// decodeTx reads exactly one transaction, with every field given and no other.
func decodeTx(body io.Reader) (chain.Tx, error) {
	var tx chain.Tx
	text, err := io.ReadAll(body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return tx, &problem{http.StatusRequestEntityTooLarge, errors.New("transaction: body is larger than 64 KiB")}
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
