package external

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
)

const (
	// maxMessage bounds one message of a subscription.
	maxMessage = 1 << 20
	// subscribeWithin bounds the time until a subscription stands.
	subscribeWithin = 5 * time.Second
)

// parseNotification is Capabilities.ParseNotification.
func (c *Chain) parseNotification(_ faults.NodeID, line []byte) (chain.Notification, bool) {
	text, height, ok := c.file.Observe.Arrival.Log.Find(line)
	hash, _ := hashText(text)
	return chain.Notification{Hash: hash, Height: height}, ok && (hash != "" || height > 0)
}

// subscribe is Capabilities.Subscribe.
func (c *Chain) subscribe(ctx context.Context, id faults.NodeID, notify func(chain.Notification)) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	err = c.receive(ctx, n, notify)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.secrets.err(fmt.Errorf("node %s, observe.arrival (%s): %w", id, c.at(c.file.Observe.Arrival.Websocket.Pos), err))
}

// receive subscribes and reports what comes until the connection ends.
func (c *Chain) receive(ctx context.Context, n *node, notify func(chain.Notification)) error {
	if c.rpc.err != nil {
		return c.rpc.err
	}
	conn, err := c.dial(ctx, n)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	for {
		_, text, err := conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		message, err := decode(bytes.NewReader(text))
		if err != nil {
			continue // no JSON, so no block
		}
		if refusal, ok := message.(map[string]any); ok {
			if e := rpcError(refusal["error"]); e != nil {
				return e
			}
		}
		if h, ok := c.notification(ctx, message); ok {
			notify(h)
		}
	}
}

// dial connects and sends what the chain file says.
func (c *Chain) dial(ctx context.Context, n *node) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, subscribeWithin)
	defer cancel()
	w := c.file.Observe.Arrival.Websocket
	a, err := c.auth(n)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	switch {
	case a.bearer != "":
		header.Set("Authorization", "Bearer "+a.bearer)
	case a.user != "" || a.password != "":
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.user+":"+a.password)))
	}
	scheme := "http"
	if c.file.RPC.SelfSigned {
		scheme = "https"
	}
	url := scheme + "://" + net.JoinHostPort(n.node.Addr.String(), strconv.Itoa(c.file.Ports[w.Port])) + w.Path
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: c.rpc.http, HTTPHeader: header})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, &RPCError{Code: int64(resp.StatusCode), Message: http.StatusText(resp.StatusCode), Data: "no websocket at " + w.Path}
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	conn.SetReadLimit(maxMessage)
	for _, t := range w.Send {
		text, err := t.Render(c.with(n, nil))
		if err == nil {
			err = conn.Write(ctx, websocket.MessageText, []byte(text))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("send: %w", err), conn.CloseNow())
		}
	}
	return conn, nil
}

// notification reads a message; ok is false where it announces no block.
func (c *Chain) notification(ctx context.Context, message any) (h chain.Notification, ok bool) {
	w := c.file.Observe.Arrival.Websocket
	if w.Hash != nil {
		if v, err := w.Hash.Run(ctx, message); err == nil {
			h.Hash, _ = hashText(v)
		}
	}
	if w.Height != nil {
		if v, err := w.Height.Run(ctx, message); err == nil && v != nil {
			h.Height, _ = whole(v)
		}
	}
	return h, h.Hash != "" || h.Height > 0
}
