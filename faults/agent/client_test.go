package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
)

// An agent that takes connections and never answers does not hang its client.
func TestClient_HungAgent(t *testing.T) {
	for name, call := range map[string]func(context.Context, *Client) error{
		"state": func(ctx context.Context, c *Client) error { _, err := c.State(ctx); return err },
		"hosts": func(ctx context.Context, c *Client) error { return c.SetHosts(ctx, nil) },
		"shape": func(ctx context.Context, c *Client) error { _, err := c.Shape(ctx, nil); return err },
		"probe": func(ctx context.Context, c *Client) error {
			_, err := c.Probe(ctx, nil, faults.ProbePlan{})
			return err
		},
		"forwards": func(ctx context.Context, c *Client) error { _, err := c.Forward(ctx, nil); return err },
		"stop":     func(ctx context.Context, c *Client) error { return c.Stop(ctx) },
		"lease":    func(ctx context.Context, c *Client) error { _, err := c.AcquireLease(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &Client{http: silentHTTP(t)}
				begin := time.Now()
				err := call(t.Context(), c)
				if err == nil || time.Since(begin) > 2*answerTimeout || time.Since(begin) < answerTimeout {
					t.Errorf("%v after %v", err, time.Since(begin))
				}
				if name != "lease" && !strings.Contains(err.Error(), "did not answer within") {
					t.Error(err)
				}
			})
		})
	}
}

// silentHTTP connects to nobody.
func silentHTTP(t *testing.T) *http.Client {
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		return near, nil
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// A caller that gives up gets its own reason.
func TestClient_CallerGivesUp(t *testing.T) {
	l := must.Get((&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(t.TempDir(), "s")))(t)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Dial(l.Addr().String()).State(ctx)
	must.Fail(t, context.DeadlineExceeded.Error())(err)
}
