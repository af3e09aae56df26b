package runtimetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// status is the part of a node's status that the suite reads.
type status struct {
	ID     string `json:"id"`
	Head   string `json:"head"`
	Height uint64 `json:"height"`
	Peers  int    `json:"peers"`
}

// requestTimeout bounds one request, by the machine's clock: a paused node does not answer.
const requestTimeout = 2 * time.Second

// ask asks a node for its status.
func (n *testnet) ask(ctx context.Context, id faults.NodeID) (status, error) {
	var s status
	reacher, ok := n.rt.(runtime.Reacher)
	if !ok {
		return s, fmt.Errorf("runtime %T is not a Reacher", n.rt)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for _, h := range n.hosts {
		if h.ID != id {
			continue
		}
		url := fmt.Sprintf("http://%s:%d/v1/status", h.Addr, runtime.APIPort)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return s, err
		}
		client := &http.Client{Transport: reacher.Transport()}
		resp, err := client.Do(req)
		if err != nil {
			return s, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return s, err
		}
		if resp.StatusCode != http.StatusOK {
			return s, fmt.Errorf("%s: %s", resp.Status, body)
		}
		return s, json.Unmarshal(body, &s)
	}
	return s, fmt.Errorf("no host %s", id)
}

// must asks a node that must answer.
func (n *testnet) must(t *testing.T, id faults.NodeID) status {
	t.Helper()
	s, err := n.ask(t.Context(), id)
	if err != nil {
		t.Fatalf("status of %s: %v", id, err)
	}
	return s
}

// wait waits until cond returns nil.
func (n *testnet) wait(t *testing.T, what string, cond func() error) {
	t.Helper()
	clock := n.rt.Clock()
	deadline := clock.Now() + patience
	for {
		err := cond()
		if err == nil {
			return
		}
		if clock.Now() > deadline {
			t.Fatalf("waited %v for %s: %v", patience, what, err)
		}
		n.sleep(t, pollStep)
	}
}

// sleep lets time pass, by the runtime's clock.
func (n *testnet) sleep(t *testing.T, d time.Duration) {
	t.Helper()
	clock := n.rt.Clock()
	if err := clock.Sleep(t.Context(), clock.Now()+d); err != nil {
		t.Fatal(err)
	}
}

// agree waits until all nodes (or those given) are connected to each other and at most one block apart, at least at a
// height.
func (n *testnet) agree(t *testing.T, height uint64, nodes ...faults.NodeID) {
	t.Helper()
	if len(nodes) == 0 {
		nodes = n.ids()
	}
	n.wait(t, fmt.Sprintf("%v to agree above height %d", nodes, height), func() error {
		var low, high uint64
		for i, id := range nodes {
			s, err := n.ask(t.Context(), id)
			if err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
			if s.Peers < len(nodes)-1 {
				return fmt.Errorf("%s has %d peers", id, s.Peers)
			}
			if i == 0 || s.Height < low {
				low = s.Height
			}
			high = max(high, s.Height)
		}
		if low < height || high-low > 1 {
			return fmt.Errorf("heights from %d to %d", low, high)
		}
		return nil
	})
}

func (n *testnet) do(t *testing.T, verb faults.Verb, id faults.NodeID) {
	t.Helper()
	if err := n.rt.Do(t.Context(), faults.Action{Verb: verb, Node: id}); err != nil {
		t.Fatalf("%s %s: %v", verb, id, err)
	}
}
