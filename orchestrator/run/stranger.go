package run

import (
	"context"
	"errors"
	"time"
)

const (
	// strangeAfter is how long nodes may fail to come together before they are asked whether they can at all.
	strangeAfter = 5 * time.Second
	// compareTimeout bounds that question.
	compareTimeout = 5 * time.Second
)

// stranger is the error about a node that cannot come together with the others because its chain begins otherwise; nil
// when no such node is known.
func (t *Testnet) stranger(ctx context.Context) error {
	find := t.Chain.Capabilities().FindMismatch
	if find == nil {
		return nil
	}
	ask, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	m := find(ask)
	if m == nil {
		return ctx.Err()
	}
	return t.fail(ctx, "connect", unready{
		m.Node, errors.New(m.Text), t.advice("all nodes must begin with the same genesis."),
	})
}
