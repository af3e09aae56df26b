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

// Subscribes implements driver.Announcer.
func (c *Chain) Subscribes() bool {
	return c.file.Observe.Arrival != nil && c.file.Observe.Arrival.Websocket != nil
}

// Heard implements driver.Announcer.
func (c *Chain) Heard(_ faults.NodeID, line []byte) (chain.Hint, bool) {
	a := c.file.Observe.Arrival
	if a == nil || a.Log == nil {
		return chain.Hint{}, false
	}
	text, height, ok := a.Log.Find(line)
	hash, _ := hashText(text)
	return chain.Hint{Hash: hash, Height: height}, ok && (hash != "" || height > 0)
}

// Listen implements driver.Announcer.
func (c *Chain) Listen(ctx context.Context, id faults.NodeID, tell func(chain.Hint)) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	if !c.Subscribes() {
		return fmt.Errorf("subscribe to %s: chain %s does not say how (observe.arrival.websocket)", id, c.file.Name)
	}
	err = c.listen(ctx, n, tell)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.secrets.err(fmt.Errorf("node %s, observe.arrival (%s): %w", id, c.at(c.file.Observe.Arrival.Websocket.Pos), err))
}

// listen subscribes and tells of what comes until the connection ends.
func (c *Chain) listen(ctx context.Context, n *node, tell func(chain.Hint)) error {
	if c.rpc.err != nil {
		return c.rpc.err
	}
	conn, err := c.subscribe(ctx, n)
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
		if h, ok := c.hint(ctx, message); ok {
			tell(h)
		}
	}
}

// subscribe connects and sends what the chain file says.
func (c *Chain) subscribe(ctx context.Context, n *node) (*websocket.Conn, error) {
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

// hint reads what a message tells of a block; ok is false where it tells of none.
func (c *Chain) hint(ctx context.Context, message any) (h chain.Hint, ok bool) {
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
