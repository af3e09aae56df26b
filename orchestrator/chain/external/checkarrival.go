package external

import (
	"context"
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/chain"
)

// arrival waits until the first node tells of a block: by a message, to which it subscribes, or by a line that it prints.
func (k *check) arrival(ctx context.Context) error {
	a := k.file.Observe.Arrival
	if a == nil {
		return nil
	}
	n := k.order[0]
	k.progress("listening for a block")
	hints, ended := k.heard, make(chan error, 1)
	if a.Websocket != nil {
		var stop func()
		hints, stop = k.subscribed(ctx, n, ended)
		defer stop()
	}
	err := k.awaitHint(ctx, n, hints, ended)
	if errors.Is(err, errNoHint) {
		err = k.silence(n)
	}
	if err != nil {
		k.fail(ctx, rowArrival, err)
	}
	return nil
}

// silence is the error about a node that told of no block.
func (k *check) silence(n *node) error {
	a := k.file.Observe.Arrival
	if a.Log != nil {
		return &misfit{
			text: fmt.Sprintf("within %s node %s printed no line that matches %s", since(k.growWithin()), n.node.ID, a.Log.Source),
			at:   k.at(a.Log.Pos), hint: "compare the pattern with what the node prints of a block; does it print that without a flag?",
			node: n, look: true,
		}
	}
	return &misfit{
		text: fmt.Sprintf("node %s was subscribed to for %s, and no message told of a block", n.node.ID, since(k.growWithin())),
		at:   k.at(a.Websocket.Pos), hint: "is `send` what the node expects, and do `hash` and `height` fit its messages?",
	}
}

// subscribed listens to a node until stop is called. That listening ended is told on ended.
func (k *check) subscribed(ctx context.Context, n *node, ended chan<- error) (hints <-chan chain.Notification, stop func()) {
	listening, cancel := context.WithCancel(ctx)
	told, done := make(chan chain.Notification, 1), make(chan struct{})
	go func() {
		defer close(done)
		ended <- k.subscribe(listening, n.node.ID, func(h chain.Notification) {
			select {
			case told <- h:
			default:
			}
		})
	}()
	return told, func() {
		cancel()
		<-done
	}
}

// awaitHint waits for a hint, and makes blocks meanwhile where they are made on command.
func (k *check) awaitHint(ctx context.Context, n *node, hints <-chan chain.Notification, ended <-chan error) error {
	produce := k.clock.Now() + k.interval
	var failed error
	return k.await(ctx, k.growWithin(), func() error {
		select {
		case h := <-hints:
			k.works(rowArrival, "%s", told(h))
			return nil
		case failed = <-ended:
		default:
		}
		if failed != nil {
			return failed
		}
		if k.file.Act.MakeBlock != nil && k.clock.Now() >= produce {
			produce = k.clock.Now() + k.interval
			if err := k.makeBlock(ctx, n.node.ID); err != nil {
				return err
			}
		}
		return errNoHint
	})
}

var errNoHint = errors.New("nothing told of a block")

// told says what a hint tells.
func told(h chain.Notification) string {
	switch {
	case h.Hash == "":
		return fmt.Sprintf("a block at height %d", h.Height)
	case h.Height == 0:
		return "block " + shortHash(h.Hash)
	}
	return fmt.Sprintf("block %s at height %d", shortHash(h.Hash), h.Height)
}
