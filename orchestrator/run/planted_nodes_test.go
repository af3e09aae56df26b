package run_test

import (
	"slices"
	"time"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
)

// deaf is a node that hears of no block of others for a while. It goes on mining and telling.
type deaf struct {
	sim.Machine
	from, until time.Duration
}

func (d deaf) Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect {
	if t := after(now); t >= d.from && t < d.until && tellsOfBlocks(m) {
		return nil
	}
	return d.Machine.Receive(now, from, m)
}

// deafFor plants a node that is deaf for a while.
func deafFor(from, until time.Duration) func(sim.Machine) sim.Machine {
	return func(m sim.Machine) sim.Machine { return deaf{m, from, until} }
}

// tellsOfBlocks says whether a message announces or carries blocks.
func tellsOfBlocks(m wire.Message) bool {
	switch m := m.(type) {
	case *wire.Block, *wire.Blocks:
		return true
	case *wire.Inv:
		return m.Item == wire.ItemBlock
	}
	return false
}

// idle is a miner that stops.
type idle struct {
	sim.Machine
	from time.Duration
}

func (i idle) Timer(now node.Time, id node.TimerID) []node.Effect {
	if id.Kind == node.TimerMine && after(now) >= i.from {
		return nil
	}
	return i.Machine.Timer(now, id)
}

// idleFrom plants a miner that stops at a time.
func idleFrom(from time.Duration) func(sim.Machine) sim.Machine {
	return func(m sim.Machine) sim.Machine { return idle{m, from} }
}

// mute is a node that from a time on keeps to itself what it knows of blocks.
type mute struct {
	sim.Machine
	from time.Duration
}

func (m mute) Receive(now node.Time, from chain.PeerID, msg wire.Message) []node.Effect {
	return m.hush(now, m.Machine.Receive(now, from, msg))
}

func (m mute) Timer(now node.Time, id node.TimerID) []node.Effect {
	return m.hush(now, m.Machine.Timer(now, id))
}

func (m mute) hush(now node.Time, effects []node.Effect) []node.Effect {
	if after(now) < m.from {
		return effects
	}
	return slices.DeleteFunc(effects, func(e node.Effect) bool { return e.Kind == node.EffectSend && tellsOfBlocks(e.Msg) })
}

// muteFrom plants a node that is mute from a time on.
func muteFrom(from time.Duration) func(sim.Machine) sim.Machine {
	return func(m sim.Machine) sim.Machine { return mute{m, from} }
}

// slow is a node that passes announcements of blocks on late.
type slow struct {
	sim.Machine
	by   time.Duration
	held []heldSend
}

type heldSend struct {
	at   node.Time
	send node.Effect
}

// slowBy plants a node that is late by a time.
func slowBy(by time.Duration) func(sim.Machine) sim.Machine {
	return func(m sim.Machine) sim.Machine { return &slow{Machine: m, by: by} }
}

func (s *slow) Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect {
	effects := s.Machine.Receive(now, from, m)
	return slices.DeleteFunc(effects, func(e node.Effect) bool { return s.hold(now, e) })
}

// hold keeps an announcement back.
func (s *slow) hold(now node.Time, e node.Effect) bool {
	inv, ok := e.Msg.(*wire.Inv)
	if !ok || inv.Item != wire.ItemBlock {
		return false
	}
	s.held = append(s.held, heldSend{now + node.Time(s.by), e})
	return true
}

// Timer lets go of what has been held for long enough whenever a timer of the node's own fires, twice a second at least.
func (s *slow) Timer(now node.Time, id node.TimerID) []node.Effect {
	effects := s.Machine.Timer(now, id)
	for len(s.held) > 0 && s.held[0].at <= now {
		effects = append(effects, s.held[0].send)
		s.held = s.held[1:]
	}
	return effects
}

// censor is a miner that wants no transaction of one account.
type censor struct {
	sim.Machine
	hated func() chain.Address
}

func (c censor) Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect {
	if tx, ok := m.(*wire.Tx); ok && tx.Tx.From == c.hated() {
		return nil
	}
	return c.Machine.Receive(now, from, m)
}

// brittle is a node that panics at the first message that it gets after a time.
type brittle struct {
	sim.Machine
	from time.Duration
}

func (b brittle) Receive(now node.Time, from chain.PeerID, m wire.Message) []node.Effect {
	if after(now) >= b.from {
		panic("index out of range [7] with length 7")
	}
	return b.Machine.Receive(now, from, m)
}
