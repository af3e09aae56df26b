package external

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// maker makes blocks on command at one node. It owns which blocks the node said that it made, and whether it is making one
// now. It is safe for concurrent use.
type maker struct {
	*caller
	member *member
	// making is full while the node makes a block: whoever saw a block must wait to know whether it is that one.
	making chan struct{}

	mu   sync.Mutex
	made map[trace.Hash]bool
}

func newMaker(calls *caller, m *member) *maker {
	return &maker{caller: calls, member: m, making: make(chan struct{}, 1), made: make(map[trace.Hash]bool)}
}

// maxMade is how many blocks a node may say that it made on one command.
const maxMade = 100

// makeBlock makes the node produce a block. The chain file must have act.make_block.
func (k *maker) makeBlock(ctx context.Context) error {
	select {
	case k.making <- struct{}{}:
		defer func() { <-k.making }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := k.make(ctx, k.file.Act.MakeBlock.Calls); err != nil {
		return fmt.Errorf("make a block at %s: %w", k.member.ID, err)
	}
	return nil
}

const (
	// gainTimeout is how long a block that a node made on command may take to be on its chain, gainInterval the time between
	// polls for it.
	gainTimeout  = 5 * time.Second
	gainInterval = 20 * time.Millisecond
)

// make calls what makes a block, and notes which it was. A node that replies without having made one is an error, whatever the
// reply: its chain is no higher than before.
func (k *maker) make(ctx context.Context, calls []chainspec.CallRef) error {
	read := reader{k.caller}
	before, err := k.heightBefore(ctx)
	if err != nil {
		return err
	}
	result, err := k.call(ctx, k.member, calls, nil)
	if err != nil {
		return err
	}
	k.note(result)
	wait, cancel := context.WithTimeout(ctx, gainTimeout)
	defer cancel()
	for {
		height, _, failed := read.height(wait, k.member)
		switch {
		case failed == nil && height > before:
			return nil
		case wait.Err() == nil:
			err = failed
		}
		select {
		case <-time.After(gainInterval):
		case <-wait.Done():
			if ctx.Err() != nil || err != nil {
				return errors.Join(ctx.Err(), err)
			}
			return fmt.Errorf("node %s replied %s and made no block: its chain stayed at height %d", k.member.ID, k.secrets.show(result), before)
		}
	}
}

// heightBefore reads the node's height. It tries again for a while: a reorganisation between two calls makes one of them fail.
func (k *maker) heightBefore(ctx context.Context) (uint64, error) {
	wait, cancel := context.WithTimeout(ctx, gainTimeout)
	defer cancel()
	for {
		height, _, err := reader{k.caller}.height(wait, k.member)
		if err == nil {
			return height, nil
		}
		select {
		case <-time.After(gainInterval):
		case <-wait.Done():
			return 0, errors.Join(ctx.Err(), err)
		}
	}
}

// note takes in the hashes in a node's reply to the command to make a block: a text or a list of texts.
func (k *maker) note(result any) {
	list, ok := result.([]any)
	if !ok {
		list = []any{result}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, v := range list[:min(len(list), maxMade)] {
		if h, ok := hashText(v); ok {
			k.made[h] = true
		}
	}
}

// wait returns once the node is not making a block, or ctx ends.
func (k *maker) wait(ctx context.Context) {
	select {
	case k.making <- struct{}{}:
		<-k.making
	case <-ctx.Done():
	}
}

// isMaker reports whether the node made a block: it said so, or the block names its account.
func (k *maker) isMaker(b trace.Block) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.made[b.Hash] || k.member.account != "" && b.Producer == k.member.account
}
