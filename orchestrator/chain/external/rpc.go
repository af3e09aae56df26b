package external

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/netsplit/netsplit/testnets/chainspec"
)

const (
	// maxAnswer bounds what is read of a node's answer.
	maxAnswer = 16 << 20
	// callTimeout bounds one request, within what the caller's context allows.
	callTimeout = 10 * time.Second
	// maxSessions is with how many nodes TLS sessions can be taken up again.
	maxSessions = 1024
)

// request is one rendered call.
type request struct {
	base   string // URL of the node's RPC
	path   string // of http-get
	method string // of JSON-RPC
	params any    // of JSON-RPC; the body of a POST with http-get
	auth   auth
}

// rpc makes requests of one kind to nodes, bounded in time and size. It owns the connections, and knows nothing of chain
// files beside the kind.
type rpc struct {
	kind string
	http *http.Client
	err  error // why it cannot be used
	id   atomic.Uint64
}

func newRPC(spec chainspec.RPC, transport http.RoundTripper) *rpc {
	r := &rpc{kind: spec.Kind}
	if spec.SelfSigned {
		transport, r.err = insecure(transport)
	}
	r.http = &http.Client{
		Transport: transport,
		// Credentials are for the node alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return r
}

// insecure returns a transport that accepts self-signed certificates: nobody could vouch for a node's own, and the
// connection does not leave this host.
func insecure(transport http.RoundTripper) (http.RoundTripper, error) {
	if transport == nil {
		transport = http.DefaultTransport
	}
	t, ok := transport.(*http.Transport)
	if !ok {
		return transport, fmt.Errorf("this runtime's connections (%T) cannot do TLS with self-signed certificates", transport)
	}
	t = t.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.InsecureSkipVerify = true
	// Some nodes close the connection after each answer, and full handshakes are expensive for both sides.
	t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(maxSessions)
	return t, nil
}

// do makes a request and returns the answer's result: all of it for http-get. Numbers are json.Number.
func (r *rpc) do(ctx context.Context, q request) (any, error) {
	if r.err != nil {
		return nil, r.err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id := r.id.Add(1)
	req, err := r.build(ctx, q, id)
	if err != nil {
		return nil, err
	}
	q.auth.set(req.Header)
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	if req.Method == http.MethodPost && r.kind == chainspec.HTTPGet && resp.StatusCode < 300 && len(bytes.TrimSpace(text)) == 0 {
		return nil, nil // done, and there is nothing to say
	}
	return r.result(resp, text, id)
}

// dialWebsocket opens a websocket with the same connections. The response is nil where there was none.
func (r *rpc) dialWebsocket(ctx context.Context, url string, header http.Header) (*websocket.Conn, *http.Response, error) {
	if r.err != nil {
		return nil, nil, r.err
	}
	return websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: r.http, HTTPHeader: header})
}

// build makes the request: with http-get a GET, or a POST of the parameters where there are any; else a POST of a message.
func (r *rpc) build(ctx context.Context, q request, id uint64) (*http.Request, error) {
	body, err := r.body(q, id)
	if err != nil {
		return nil, err
	}
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, q.base+q.path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the path %q makes no URL: %w", q.path, bare(err))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// body is what a request sends, nil for a GET.
func (r *rpc) body(q request, id uint64) ([]byte, error) {
	send := q.params
	switch {
	case r.kind == chainspec.HTTPGet && q.params == nil:
		return nil, nil
	case r.kind == chainspec.JSONRPC1 && q.params == nil:
		send = map[string]any{"jsonrpc": "1.0", "id": id, "method": q.method, "params": []any{}}
	case r.kind == chainspec.JSONRPC1:
		send = map[string]any{"jsonrpc": "1.0", "id": id, "method": q.method, "params": q.params}
	case r.kind == chainspec.JSONRPC2 && q.params == nil:
		send = map[string]any{"jsonrpc": "2.0", "id": id, "method": q.method}
	case r.kind == chainspec.JSONRPC2:
		send = map[string]any{"jsonrpc": "2.0", "id": id, "method": q.method, "params": q.params}
	}
	body, err := json.Marshal(send)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return body, nil
}

// bare is an error without the URL that it is about.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// result takes the result or the error out of an answer.
func (r *rpc) result(resp *http.Response, text []byte, id uint64) (any, error) {
	answer, err := decode(text)
	envelope, isObject := answer.(map[string]any)
	if err == nil && isObject {
		if e := rpcError(envelope["error"]); e != nil {
			return nil, e
		}
	}
	if resp.StatusCode >= 300 {
		return nil, &RPCError{Code: int64(resp.StatusCode), Message: http.StatusText(resp.StatusCode), Data: string(text)}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errors.New("the answer is empty")
	}
	if err != nil {
		return nil, &replyError{fmt.Errorf("the answer is not JSON: %w", err), string(text)}
	}
	if r.kind == chainspec.HTTPGet {
		return answer, nil
	}
	result, ok := envelope["result"]
	if !ok {
		return nil, &replyError{errors.New("the answer is not JSON-RPC, it has no result"), string(text)}
	}
	if got := fmt.Sprint(envelope["id"]); got != fmt.Sprint(id) {
		return nil, fmt.Errorf("the answer is to another request: id %s instead of %d", got, id)
	}
	return result, nil
}

// rpcError reads the error of a JSON-RPC answer, nil where there is none.
func rpcError(v any) *RPCError {
	switch v := v.(type) {
	case string:
		if v != "" {
			return &RPCError{Message: v}
		}
	case map[string]any:
		e := &RPCError{}
		if n, ok := v["code"].(json.Number); ok {
			e.Code, _ = n.Int64()
		}
		message, ok := v["message"].(string)
		if !ok {
			message = asJSON(v)
		}
		e.Message = message
		if d, ok := v["data"]; ok && d != nil {
			e.Data = asText(d)
		}
		return e
	}
	return nil
}

// A value takes many times the memory of its text when it has many parts: an object of 8 bytes takes some 400. With no more parts
// than these an answer takes 150 MiB at most.
const (
	maxObjects = 200_000   // objects and lists
	maxValues  = 1_000_000 // in all of them together
)

// checkSize refuses a text whose value would take too much memory. Brackets and commas within strings count too.
func checkSize(text []byte) error {
	objects := bytes.Count(text, []byte{'{'}) + bytes.Count(text, []byte{'['})
	values := objects + bytes.Count(text, []byte{','}) + bytes.Count(text, []byte{':'})
	switch {
	case objects > maxObjects:
		return fmt.Errorf("the answer has more than %d objects and lists", maxObjects)
	case values > maxValues:
		return fmt.Errorf("the answer has more than %d values", maxValues)
	}
	return nil
}

// decode reads exactly one JSON value.
func decode(text []byte) (any, error) {
	if err := checkSize(text); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more after the first value")
	}
	return v, nil
}
