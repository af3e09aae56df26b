package external

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

const (
	// maxMessage bounds one message of a subscription, in bytes.
	maxMessage = 1 << 20
	// subscribeTimeout bounds the time until a subscription stands.
	subscribeTimeout = 5 * time.Second
)

// parseNotification is Capabilities.ParseNotification, where the chain file has observe.arrival.log.
func (c *Chain) parseNotification(_ faults.NodeID, line []byte) (chain.Notification, bool) {
	text, height, ok := c.file.Observe.Arrival.Log.Find(line)
	hash, _ := hashText(text)
	return chain.Notification{Hash: hash, Height: height}, ok && (hash != "" || height > 0)
}

// subscribe is Capabilities.Subscribe, where the chain file has observe.arrival.websocket.
func (c *Chain) subscribe(ctx context.Context, id faults.NodeID, notify func(chain.Notification)) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	how := c.file.Observe.Arrival.Websocket
	err = subscription{c.reader.caller, how}.run(ctx, n.member, notify)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.secrets.err(fmt.Errorf("node %s, observe.arrival (%s): %w", id, at(c.file, how.Pos), err))
}

// subscription receives what nodes send by themselves over a websocket. It has no state.
type subscription struct {
	*caller
	how *chainspec.WebsocketArrival
}

// run subscribes to a node and reports what comes until the connection ends.
func (s subscription) run(ctx context.Context, m *member, notify func(chain.Notification)) error {
	conn, err := s.dial(ctx, m)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		message, err := decode(text)
		if err != nil {
			continue // no JSON, so no block
		}
		if object, ok := message.(map[string]any); ok {
			if e := rpcError(object["error"]); e != nil {
				return e
			}
		}
		if n, ok := s.parse(ctx, message); ok {
			notify(n)
		}
	}
}

// dial connects and sends what the chain file says.
func (s subscription) dial(ctx context.Context, m *member) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, subscribeTimeout)
	defer cancel()
	a, err := s.auth(m)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	a.set(header)
	conn, resp, err := s.rpc.dialWebsocket(ctx, s.host(m, s.how.Port)+s.how.Path, header)
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, &RPCError{Code: int64(resp.StatusCode), Message: http.StatusText(resp.StatusCode), Data: "no websocket at " + s.how.Path}
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	conn.SetReadLimit(maxMessage)
	for _, t := range s.how.Send {
		text, err := t.Render(s.net.with(m, nil))
		if err == nil {
			err = conn.Write(ctx, websocket.MessageText, []byte(text))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("send: %w", err), conn.CloseNow())
		}
	}
	return conn, nil
}

// parse reads a message; ok is false where it announces no block.
func (s subscription) parse(ctx context.Context, message any) (n chain.Notification, ok bool) {
	if s.how.Hash != nil {
		if v, err := s.how.Hash.Run(ctx, message); err == nil {
			n.Hash, _ = hashText(v)
		}
	}
	if s.how.Height != nil {
		if v, err := s.how.Height.Run(ctx, message); err == nil && v != nil {
			n.Height, _ = whole(v)
		}
	}
	return n, n.Hash != "" || n.Height > 0
}
