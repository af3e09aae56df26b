package external

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// ErrNoSubmit is wrapped by the error of a transfer on a chain whose file has no act.submit.
var ErrNoSubmit = errors.New("the chain does not say how to submit a transaction")

// sender submits the transfers of one node. It owns the node's next nonce, and the coins that the node is known to have.
// Transfers are serial, so that nonces go in order.
type sender struct {
	*caller
	member *member

	mu    sync.Mutex
	nonce uint64
	coins []coin  // what is left to spend, the next one first
	spent []spent // the latest transfers that spent coins, the oldest first
	again []spent // those of them that the node is to get once more
}

// startAt sets the number of the first transfer.
func (s *sender) startAt(nonce uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonce = nonce
}

// transfer signs and submits a transfer, and returns the transaction's id.
func (s *sender) transfer(ctx context.Context, to *member, amount uint64) (trace.Hash, error) {
	if s.file.Act.Submit == nil {
		return "", fmt.Errorf("submit a transaction: %w (chain %s, act.submit)", ErrNoSubmit, s.file.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.signAndSubmit(ctx, to, amount)
	if err != nil {
		return "", s.secrets.err(fmt.Errorf("submit a transaction: %w", err))
	}
	s.nonce++
	return id, nil
}

func (s *sender) signAndSubmit(ctx context.Context, to *member, amount uint64) (trace.Hash, error) {
	act := s.file.Act
	extra := map[string]any{"From": s.member.data, "To": to.data, "Amount": amount, "Nonce": s.nonce}
	switch {
	case act.Coins != nil:
		return s.spend(ctx, to, amount, extra)
	case act.Tx != nil:
		tx, err := act.Tx.Render(s.net.with(s.member, extra))
		if err != nil {
			return "", err
		}
		extra["Tx"] = tx
	}
	return s.submit(ctx, extra)
}

// submit hands a transaction to the node and returns its id.
func (s *sender) submit(ctx context.Context, extra map[string]any) (trace.Hash, error) {
	act := s.file.Act
	answer, err := s.call(ctx, s.member, act.Submit.Calls, extra)
	if err != nil {
		return "", err
	}
	id, q := answer, chainspec.Query{Source: ".", Pos: act.Submit.Pos}
	if act.Submit.JQ != nil {
		q = *act.Submit.JQ
		if id, err = s.query(ctx, s.member, nameSubmit, q, answer); err != nil {
			return "", err
		}
	}
	if text, isText := id.(string); isText && !short(text) {
		return "", s.unexpected(s.member, nameSubmit, q, id, answer, fmt.Sprintf("a transaction's id of at most %d bytes", maxHash))
	}
	hash, ok := hashText(id)
	if !ok {
		return "", s.unexpected(s.member, nameSubmit, q, id, answer, "a transaction's id")
	}
	return hash, nil
}
