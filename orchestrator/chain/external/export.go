package external

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// exported is what another process must know of a chain, beside its network: the file as it was, which may have changed or
// gone since, and what the steps of its preparation captured.
type exported struct {
	File     string                           `json:"file"`
	Source   string                           `json:"source"`
	Captured map[string]any                   `json:"captured,omitempty"`
	Nodes    map[faults.NodeID]map[string]any `json:"nodes,omitempty"`
}

// export is Capabilities.Export.
func (c *Chain) export() ([]byte, error) {
	e := exported{
		File: c.file.File, Source: string(c.file.Source),
		Captured: c.net.captured(nil), Nodes: make(map[faults.NodeID]map[string]any),
	}
	for _, m := range c.net.nodes {
		if captured := c.net.captured(m); len(captured) > 0 {
			e.Nodes[m.ID] = captured
		}
	}
	return json.Marshal(e)
}

// Restore returns a chain whose nodes run already, started by another process that exported state. Its Prepare is that of
// Attach, but calls can use what steps captured. The numbers of its transactions (.Nonce) begin at the microseconds since
// the network's genesis, so that no two processes use the same ones.
func Restore(state []byte, transport http.RoundTripper) (*Chain, error) {
	var e exported
	if err := json.Unmarshal(state, &e); err != nil {
		return nil, fmt.Errorf("read what was exported of the chain: %w", err)
	}
	file, err := chainspec.Parse(e.File, []byte(e.Source))
	if err != nil {
		return nil, fmt.Errorf("the chain file as it was when the testnet was made: %w", err)
	}
	c := Attach(file, transport)
	c.restored = &e
	return c, nil
}

// restore puts what was exported where steps would have put it.
func (c *Chain) restore(start time.Time) error {
	c.net.capture(nil, c.restored.Captured)
	base := uint64(max(0, time.Since(start).Microseconds()))
	for _, m := range c.net.nodes {
		c.net.capture(m, c.restored.Nodes[m.ID])
		c.nodes[m.ID].sender.startAt(base)
	}
	for _, step := range c.file.Prepare {
		for _, capture := range step.Capture {
			if capture.Public {
				continue
			}
			for _, m := range append([]*member{nil}, c.net.nodes...) {
				if text, ok := c.net.captured(m)[capture.Name].(string); ok {
					c.secrets.addCaptured(text)
				}
			}
		}
	}
	return c.addCredentials()
}
