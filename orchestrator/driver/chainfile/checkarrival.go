package chainfile

import (
	"context"
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/driver"
)

// arrival listens to the first node until it tells of a block.
func (k *check) arrival(ctx context.Context) error {
	a := k.file.Observe.Arrival
	if a == nil {
		return nil
	}
	if a.Log != nil {
		k.works(rowArrival, "lines that match %s; a run reads them", a.Log.Source)
		return nil
	}
	n := k.order[0]
	k.progress("listening for a block")
	listening, stop := context.WithCancel(ctx)
	hints, ended := make(chan driver.Hint, 1), make(chan error, 1)
	go func() {
		ended <- k.Listen(listening, n.node.ID, func(h driver.Hint) {
			select {
			case hints <- h:
			default:
			}
		})
	}()
	produce := k.clock.Now() + k.interval
	err := k.await(ctx, k.growWithin(), func() error {
		select {
		case h := <-hints:
			k.works(rowArrival, "%s", told(h))
			return nil
		case err := <-ended:
			ended <- err
			return err
		default:
		}
		if k.file.Act.MakeBlock != nil && k.clock.Now() >= produce {
			produce = k.clock.Now() + k.interval
			if err := k.Produce(ctx, n.node.ID); err != nil {
				return err
			}
		}
		return errNoHint
	})
	stop()
	<-ended
	if errors.Is(err, errNoHint) {
		err = &misfit{
			text: fmt.Sprintf("node %s was subscribed to for %s, and no message told of a block", n.node.ID, since(k.growWithin())),
			at:   k.at(a.Websocket.Pos), hint: "is `send` what the node expects, and do `hash` and `height` fit its messages?",
		}
	}
	if err != nil {
		k.fail(ctx, rowArrival, err)
	}
	return nil
}

var errNoHint = errors.New("no message told of a block")

// told says what a hint tells.
func told(h driver.Hint) string {
	switch {
	case h.Hash == "":
		return fmt.Sprintf("a block at height %d", h.Height)
	case h.Height == 0:
		return "block " + shortHash(h.Hash)
	}
	return fmt.Sprintf("block %s at height %d", shortHash(h.Hash), h.Height)
}
