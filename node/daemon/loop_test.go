package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// lineBuffer is an event log that can be read while the node writes it.
type lineBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lineBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lineBuffer) events(t *testing.T) []node.Event {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var events []node.Event
	for line := range bytes.Lines(b.buf.Bytes()) {
		var e node.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// startLoop runs a node like run, but without the API, and returns its loop. want, if not empty, is part of the error that
// the loop may end with.
func startLoop(t *testing.T, cfg node.Config, want string) (*loop, *lineBuffer) {
	t.Helper()
	self := must.Get(newIdentity(cfg.Key))(t)
	s, blocks := openTestStore(t, cfg.Data, cfg.Genesis.Block().Hash())
	c := newClock()
	n := must.Get(node.New(cfg, node.Deps{}, blocks, c.now()))(t)
	peers := must.Get(newPeerNet(t.Context(), self, cfg.Listen))(t)
	log := &lineBuffer{}
	l := newLoop(n, n, s, &eventLog{w: log}, peers, c)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- l.run(ctx) }()
	peers.serve()
	t.Cleanup(func() {
		cancel()
		err := <-result
		if want != "" && err != nil && strings.Contains(err.Error(), want) {
			err = nil
		}
		if err := errors.Join(err, peers.close(), s.close()); err != nil {
			t.Error(err)
		}
	})
	return l, log
}

// TestSlowReader_Disconnected sends to a peer that reads nothing. The loop must not block.
func TestSlowReader_Disconnected(t *testing.T) {
	l, log := startLoop(t, testConfig(t, 1), "")
	n := &testNode{t: t, id: l.net.self.id, addrs: addrs{peers: l.net.listener.Addr().String()}}
	s := newPeer(t, n.id, true)
	stream := must.Get(s.open(t.Context(), n, ProtocolID))(t)
	genesis := testGenesis.Block().Hash()
	s.write(stream, append(bytes.Clone(chosenFrame), s.frame(&wire.Hello{Version: wire.Version, Genesis: genesis, Head: genesis})...))

	big := &wire.Block{Block: chain.NewBlock(chain.Header{Version: 1, Height: 1}, make([]chain.Tx, chain.MaxBlockTxs))}
	for up, down := false, false; !down; {
		must.Do(t, l.Do(t.Context(), func(n *node.Node, _ node.Time) []node.Effect {
			here := len(n.Peers()) == 1
			up, down = up || here, up && !here
			if !here {
				return nil
			}
			return []node.Effect{{Kind: node.EffectSend, Peer: s.id, Msg: big}}
		}))
	}
	drained(t, stream)
	events := log.events(t)
	last := events[len(events)-1]
	if last.Kind != node.EventPeerDown || !strings.HasPrefix(last.Reason, "slow peer: ") {
		t.Errorf("last event %s %q, want peer_down of a slow peer", last.Kind, last.Reason)
	}
}

func TestLoop_DoAfterStop(t *testing.T) {
	cfg := testConfig(t, 1)
	l, _ := startLoop(t, cfg, "kind 99")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for range maxInputs { // once the queue is full, only ctx can end the call
		if err := l.Do(canceled, func(*node.Node, node.Time) []node.Effect { return nil }); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("Do with a cancelled context: %v", err)
		}
	}
	// An effect that cannot be performed ends the loop. Do returns the error, and later calls ErrStopped.
	broken := []node.Effect{{Kind: 99}}
	err := l.Do(t.Context(), func(*node.Node, node.Time) []node.Effect { return broken })
	if err == nil || !strings.Contains(err.Error(), "unknown effect, kind 99") {
		t.Errorf("Do with an unknown effect: %v", err)
	}
	<-l.done
	if err := l.Do(t.Context(), func(*node.Node, node.Time) []node.Effect { return nil }); !errors.Is(err, ErrStopped) {
		t.Errorf("Do after the end: %v, want ErrStopped", err)
	}
}
