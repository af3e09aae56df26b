package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// Client calls an agent over its Unix socket. Its methods may be called from several goroutines. An error answer of the
// agent is an *Error.
type Client struct {
	http *http.Client
}

// answerTimeout is how long an agent may take for a request, beside the time of the measurement that it asks for. An agent that
// hangs must not hang the run.
const answerTimeout = 60 * time.Second

// Dial returns a client of the agent that listens on a Unix socket. It connects with the first request.
func Dial(socket string) *Client {
	var d net.Dialer
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// Close closes idle connections. A lease that is held stays held.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// State returns the agent's state.
func (c *Client) State(ctx context.Context) (State, error) {
	var s State
	err := c.call(ctx, http.MethodGet, "/v1/state", nil, &s)
	return s, err
}

// SetHosts sets where the nodes run, and returns when the layers are applied to them.
func (c *Client) SetHosts(ctx context.Context, hosts []Host) error {
	if hosts == nil {
		hosts = []Host{}
	}
	return c.call(ctx, http.MethodPut, "/v1/hosts", hosts, nil)
}

// Shape replaces all layers and returns when they are applied. Without layers everything heals.
func (c *Client) Shape(ctx context.Context, layers []faults.Layer) (faults.Applied, error) {
	return c.ShapeIf(ctx, ShapeRequest{Layers: layers})
}

// ShapeIf is Shape on condition that the layers are still of a version; otherwise the status is 409.
func (c *Client) ShapeIf(ctx context.Context, req ShapeRequest) (faults.Applied, error) {
	var a faults.Applied
	err := c.call(ctx, http.MethodPut, "/v1/layers", req, &a)
	return a, err
}

// Probe measures links, all at the same time, and returns their measurements in the order of links.
func (c *Client) Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) ([]faults.Measurement, error) {
	var m []faults.Measurement
	err := c.callFor(ctx, answerTimeout+time.Duration(plan.Count)*plan.Interval+plan.Wait, http.MethodPost, "/v1/probe", ProbeRequest{Links: links, Plan: plan}, &m)
	return m, err
}

// Forward returns, for each target, an address on the agent's loopback that is forwarded to it until the agent ends: the
// same address each time. Targets are ports of the testnet's nodes.
func (c *Client) Forward(ctx context.Context, targets []netip.AddrPort) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	if err := c.call(ctx, http.MethodPut, "/v1/forwards", targets, &out); err != nil {
		return nil, err
	}
	if len(out) != len(targets) {
		return nil, fmt.Errorf("agent PUT /v1/forwards: %d addresses for %d targets", len(out), len(targets))
	}
	return out, nil
}

// Stop makes the agent heal everything and exit.
func (c *Client) Stop(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/stop", nil, nil)
}

// Lease is held from AcquireLease to Release, or until the agent or the client ends.
type Lease struct {
	body   io.ReadCloser
	cancel context.CancelFunc
	done   chan struct{}
}

// Done is closed when the lease is over.
func (l *Lease) Done() <-chan struct{} { return l.done }

// Release ends the lease and returns when the connection is closed.
func (l *Lease) Release() {
	l.cancel()
	<-l.done
}

// AcquireLease acquires a lease. ctx bounds the lease, not only the call.
func (c *Client) AcquireLease(ctx context.Context) (*Lease, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(answerTimeout, cancel)
	res, err := c.do(ctx, http.MethodPost, "/v1/lease", nil)
	if !late.Stop() && err == nil {
		res.Body.Close()
		err = errLate(answerTimeout)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	l := &Lease{body: res.Body, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		defer cancel()
		_, _ = io.Copy(io.Discard, l.body) // returns when the lease ends; why does not matter
		l.body.Close()
	}()
	return l, nil
}

// call sends a request with the body in, if not nil, and decodes the answer into out, if not nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	return c.callFor(ctx, answerTimeout, method, path, in, out)
}

// errLate is the error of an agent that does not answer.
func errLate(d time.Duration) error { return fmt.Errorf("the agent did not answer within %v", d) }

// callFor is call with a bound on the time that it may take.
func (c *Client) callFor(ctx context.Context, timeout time.Duration, method, path string, in, out any) error {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := c.exchange(ctx, method, path, in, out)
	if err != nil && ctx.Err() != nil && outer.Err() == nil {
		return fmt.Errorf("agent %s %s: %w", method, path, errLate(timeout))
	}
	return err
}

func (c *Client) exchange(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("agent %s %s: encode request: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, res.Body)
	} else {
		err = json.NewDecoder(res.Body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("agent %s %s: read answer: %w", method, path, err)
	}
	return nil
}

// do sends a request and returns the answer if it succeeded.
func (c *Client) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return nil, fmt.Errorf("agent %s %s: %w", method, path, err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("agent %s %s: %w", method, path, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("agent %s %s: %s: %w", method, path, res.Status, err)
	}
	return nil, fmt.Errorf("agent: %w", &Error{Status: res.StatusCode, Message: string(bytes.TrimSpace(text))})
}
