package external

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets"
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
	k := exported{File: c.file.File, Source: string(c.file.Source), Nodes: make(map[faults.NodeID]map[string]any)}
	k.Captured, _ = c.data["captured"].(map[string]any)
	for _, n := range c.order {
		if captured, _ := n.data["captured"].(map[string]any); len(captured) > 0 {
			k.Nodes[n.node.ID] = captured
		}
	}
	return json.Marshal(k)
}

// Restore returns a chain whose nodes run already, started by another process that exported state. Its
// Prepare is that of Attach, but calls can use what steps captured. The numbers of its transactions (.Nonce) begin at
// the microseconds since the network's genesis, so that no two processes use the same ones.
func Restore(state []byte, transport http.RoundTripper) (*Chain, error) {
	var k exported
	if err := json.Unmarshal(state, &k); err != nil {
		return nil, fmt.Errorf("read what was exported of the chain: %w", err)
	}
	file, err := testnets.ParseChain(k.File, []byte(k.Source))
	if err != nil {
		return nil, fmt.Errorf("the chain file as it was when the testnet was made: %w", err)
	}
	c := Attach(file, transport)
	c.restored = &k
	return c, nil
}

// restore puts what was kept where steps would have put it.
func (c *Chain) restore(start time.Time) error {
	if c.restored == nil {
		return nil
	}
	maps.Copy(c.data["captured"].(map[string]any), c.restored.Captured)
	base := uint64(max(0, time.Since(start).Microseconds()))
	for _, n := range c.order {
		maps.Copy(n.data["captured"].(map[string]any), c.restored.Nodes[n.node.ID])
		n.nonce = base
	}
	for _, step := range c.file.Prepare {
		for _, capture := range step.Capture {
			c.conceal(capture, c.restored.Captured[capture.Name])
			for _, captured := range c.restored.Nodes {
				c.conceal(capture, captured[capture.Name])
			}
		}
	}
	return c.credentials()
}
