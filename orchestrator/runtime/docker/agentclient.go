package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/agent"
)

// socketClient speaks with the agent over its Unix socket.
type socketClient struct{ http *http.Client }

// dialAgent returns a client of the agent that listens on a socket. It does not connect yet.
func dialAgent(socket string) agentClient {
	var d net.Dialer
	return &socketClient{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}
}

// call sends in, if not nil, as JSON and decodes the answer into out, if not nil.
func (c *socketClient) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		msg, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return fmt.Errorf("agent: %s %s: %s: %s", method, path, res.Status, bytes.TrimSpace(msg))
	}
	if out == nil {
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	return json.NewDecoder(res.Body).Decode(out)
}

func (c *socketClient) SetHosts(ctx context.Context, hosts []agent.Host) error {
	return c.call(ctx, http.MethodPut, "/v1/hosts", hosts, nil)
}

func (c *socketClient) State(ctx context.Context) (s agent.State, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/state", nil, &s)
	return s, err
}

func (c *socketClient) Shape(ctx context.Context, layers []faults.Layer) (a faults.Applied, err error) {
	err = c.call(ctx, http.MethodPut, "/v1/layers", agent.ShapeRequest{Layers: layers}, &a)
	return a, err
}

func (c *socketClient) Probe(ctx context.Context, links []faults.Link, plan faults.ProbePlan) (m []faults.Measurement, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/probe", agent.ProbeRequest{Links: links, Plan: plan}, &m)
	return m, err
}

func (c *socketClient) Lease(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/v1/lease", nil, nil)
}

func (c *socketClient) Close() { c.http.CloseIdleConnections() }
