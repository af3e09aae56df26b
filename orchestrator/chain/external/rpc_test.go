package external

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// served is a chain prepared over one node that a handler answers for; nil: nobody.
func served(t *testing.T, file *chainspec.Chain, h http.HandlerFunc) *Chain {
	t.Helper()
	f := newFabric(t)
	if h != nil {
		f.serve(t, "10.0.0.1:7001", h)
	}
	c := New(file, image{}, f.transport, nil)
	t.Cleanup(c.CloseIdleConnections)
	must.Get(c.Prepare(t.Context(), ring(1)))(t)
	return c
}

// queryHead reads the head of a served chain's node. Its errors are those that users see.
func queryHead(t *testing.T, ctx context.Context, h http.HandlerFunc, replace ...string) (tip, error) {
	t.Helper()
	c := served(t, parse(t, plain, replace...), h)
	return c.reader.tip(ctx, c.net.nodes[0])
}

// answer writes an answer with the id of the request in place of ID.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q struct{ ID json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&q)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "ID", string(q.ID)))
	}
}

func TestRPC_ReplyErrors(t *testing.T) {
	const call = "node a, call height (toy.yaml:11:3): "
	long := strings.Repeat("y", 5000)
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"an error of the node", 200, `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"no state"}}`,
			call + "the node answered with error -32000: no state"},
		{"with data", 500, `{"id":ID,"result":null,"error":{"code":-1,"message":"m","data":{"a":[1]}}}`,
			call + `the node answered with error -1: m ({"a":[1]})`},
		{"an error that is a text", 200, `{"id":ID,"error":"broken"}`, call + "the node answered with error 0: broken"},
		{"an error of another shape", 200, `{"id":ID,"error":{"reason":7}}`,
			call + `the node answered with error 0: {"reason":7}`},
		{"a long error", 200, `{"id":ID,"error":{"code":1,"message":"` + long + `"}}`,
			call + "the node answered with error 1: " + long[:maxShown] + "..."},
		{"a status", 401, "who\n are   you?", call + "the node answered with error 401: Unauthorized (who are you?)"},
		{"a status without words", 503, "", call + "the node answered with error 503: Service Unavailable"},
		{"no JSON", 200, "<html>", call + "the answer is not JSON: invalid character '<' looking for beginning of value: <html>"},
		{"half of JSON", 200, `{"result":`, call + `the answer is not JSON: unexpected EOF: {"result":`},
		{"nothing", 200, "", call + "the answer is empty"},
		{"two answers", 200, `{"id":ID,"result":1} {}`,
			call + `the answer is not JSON: there is more after the first value: {"id":1,"result":1} {}`},
		{"no JSON-RPC", 200, `[1]`, call + "the answer is not JSON-RPC, it has no result: [1]"},
		{"no result", 200, `{"id":ID}`, call + `the answer is not JSON-RPC, it has no result: {"id":1}`},
		{"another's answer", 200, `{"id":77,"result":1}`, call + "the answer is to another request: id 77 instead of 1"},
		{"a result of the wrong kind", 200, `{"id":ID,"result":"many"}`,
			`toy.yaml:18:30: node a, observe.height: jq . gives many, which is not a whole number; the reply was many`},
		{"less than nothing", 200, `{"id":ID,"result":-1}`,
			`toy.yaml:18:30: node a, observe.height: jq . gives -1, which is not a whole number; the reply was -1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := queryHead(t, t.Context(), answer(c.status, c.body))
			if err == nil || err.Error() != c.want {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
	const jq = ".height | tonumber"
	_, err := queryHead(t, t.Context(), answer(200, `{"id":ID,"result":{"heigth":5}}`), "height: {call: height, jq: .}", "height: {call: height, jq: "+jq+"}")
	must.Fail(t, "toy.yaml:18:30: node a, observe.height: jq "+jq+` fails: tonumber cannot be applied to: null; the reply was {"heigth":5}`)(err)
}

func TestRPC_ReplyTooLarge(t *testing.T) {
	_, err := queryHead(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) {
		chunk := bytes.Repeat([]byte(" "), 1<<20)
		for range maxAnswer/len(chunk) + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	must.Fail(t, "more than 16777216 bytes")(err)
}

// A reply of many small parts takes many times its own length in memory: it is refused before it is decoded.
func TestRPC_ReplyOfManyParts(t *testing.T) {
	for part, want := range map[string]string{`{"a":1},`: "more than 200000 objects", `1,`: "more than 1000000 values"} {
		text := `{"id":1,"result":[` + strings.Repeat(part, (maxAnswer-100)/len(part)) + `1]}`
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := queryHead(t, t.Context(), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) })
		runtime.ReadMemStats(&after)
		must.Fail(t, want)(err)
		if used := after.TotalAlloc - before.TotalAlloc; used > 10*maxAnswer {
			t.Errorf("%q: %d MiB were allocated", part, used>>20)
		}
	}
}

func TestRPC_SlowReplyObeysContext(t *testing.T) {
	started, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(done) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	_, err := queryHead(t, ctx, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		close(started)
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestRPC_NodeUnreachable(t *testing.T) {
	_, err := queryHead(t, t.Context(), nil)
	must.Fail(t, "node a, call height (toy.yaml:11:3): ")(err)
	must.Fail(t, "connect to 10.0.0.1:7001: refused")(err)
}

func TestRPC_Credentials(t *testing.T) {
	const secret = "correct-horse"
	for name, c := range map[string]struct {
		rpc  string
		want string
	}{
		"basic":  {`{kind: jsonrpc2, basic: {user: admin, password: ` + secret + `}}`, "Basic YWRtaW46Y29ycmVjdC1ob3JzZQ=="},
		"bearer": {`{kind: jsonrpc2, bearer: ` + secret + `}`, "Bearer " + secret},
		"key":    {`{kind: jsonrpc2, bearer: "{{.Node.Keys.salt.PrivateHex}}"}`, ""},
		"none":   {`{kind: jsonrpc2}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			_, err := queryHead(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
				got = r.Header.Get("Authorization")
				http.Error(w, "not with "+got, http.StatusForbidden)
			}, "{kind: jsonrpc2}", c.rpc)
			if c.want != "" && got != c.want || name == "key" && len(got) != len("Bearer ")+64 || name == "none" && got != "" {
				t.Errorf("sent %q", got)
			}
			credential := got[strings.IndexByte(got, ' ')+1:]
			if err == nil || credential != "" && strings.Contains(err.Error(), credential) || strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
			if got != "" && !strings.Contains(err.Error(), "[secret]") {
				t.Errorf("what does %v hide?", err)
			}
			var e *RPCError
			if !errors.As(err, &e) || e.Code != 403 {
				t.Errorf("the redacted error has no type: %v", err)
			}
		})
	}
	_, err := queryHead(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://10.9.9.9/", http.StatusTemporaryRedirect)
	}, "{kind: jsonrpc2}", "{kind: jsonrpc2, bearer: "+secret+"}")
	must.Fail(t, "error 307")(err) // nobody else gets the credentials
}

// TestRPC_Requests shows what nodes are sent.
func TestRPC_Requests(t *testing.T) {
	for kind, c := range map[string]struct {
		replace []string
		want    string
	}{
		"jsonrpc1": {[]string{"kind: jsonrpc2", "kind: jsonrpc1, path: /wallet"},
			`POST /wallet application/json {"id":1,"jsonrpc":"1.0","method":"height","params":[]}`},
		"jsonrpc2": {nil, `POST / application/json {"id":1,"jsonrpc":"2.0","method":"height"}`},
		"parameters": {[]string{"{method: height}", `{method: height, params: {n: "{{int .Ports.rpc}}", who: "{{.Node.Name}}", deep: [1.50, null, true]}}`},
			`POST / application/json {"id":1,"jsonrpc":"2.0","method":"height","params":{"deep":[1.50,null,true],"n":7001,"who":"a"}}`},
	} {
		t.Run(kind, func(t *testing.T) {
			got := ""
			_, err := queryHead(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if got == "" {
					got = fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), body)
				}
				_, _ = io.WriteString(w, strings.Replace(`{"id":ID,"result":"0x0","error":null}`, "ID", string(body[6:7]), 1))
			}, c.replace...)
			must.Check(t, err)
			if got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}

// get is a chain file for http-get.
const get = `
name: toy
description: A chain for tests.
image: {ref: "toy:1"}
start: {args: [run]}
ports: {rpc: 7001}
rpc: {kind: http-get, path: /api/}
calls:
  status: {path: /status}
  block: {path: "/block?height={{.Height}}"}
observe:
  height: {call: status, jq: .result.height}
  head: {call: status, jq: .result.hash}
  block: {call: block, hash: .hash, parent: .parent, time: .time}
facts: {family: bft, quorum: 2/3, fork_depth: 0}
`

func TestRPC_HTTPGet(t *testing.T) {
	var requests []string
	fail := false
	c := served(t, parse(t, get), func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, r.Method+" "+r.URL.String())
		switch {
		case fail:
			_, _ = io.WriteString(w, `{"error":{"code":-32603,"message":"Internal","data":"height 9 is not there"}}`)
		case strings.HasSuffix(r.URL.Path, "/status"):
			_, _ = io.WriteString(w, `{"result":{"height":"1","hash":"ABCD"}}`)
		default:
			_, _ = io.WriteString(w, `{"hash":"ABCD","parent":null,"time":"2026-01-02T03:04:05.5+01:00"}`)
		}
	})
	if c.net.nodes[0].account != "" || c.Capabilities().MakeBlock != nil {
		t.Errorf("%+v", c.net.nodes[0])
	}
	events := must.Get(c.poll(t.Context(), "a"))(t)
	must.Equal(t, "+abcd abcd head 1 abcd (was )", brief(events))
	must.Equal(t, "02:04:05.5", events[0].Block.Time.Format("15:04:05.0"))
	must.Equal(t, "GET /api/status, GET /api/block?height=1", strings.Join(requests, ", "))
	fail = true
	must.Fail(t, "error -32603: Internal (height 9 is not there)")(c.poll(t.Context(), "a"))
	must.Fail(t, "")(c.Client("a").Status(t.Context()))
	fail = false
	if s, err := c.Client("a").Status(t.Context()); err != nil || s.Peers != -1 || s.Height != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// With http-get, a call that has parameters is a POST of them; its answer may be empty.
func TestRPC_HTTPPost(t *testing.T) {
	var requests []string
	height, status, reply := 0, 200, ""
	file := parse(t, get, "calls:\n", `act: {make_block: {call: mine}}
calls:
  mine: {path: "/mine/{{.Node.Name}}", params: {blocks: 1, to: "{{.Node.Name}}", at: "{{int .Node.Index}}"}}
`)
	c := served(t, file, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			fmt.Fprintf(w, `{"result": {"height": %d}}`, height)
			return
		}
		height++
		body, _ := io.ReadAll(r.Body)
		requests = append(requests, fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), body))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, reply)
	})
	must.Check(t, c.makeBlock(t.Context(), "a"))
	if want := `POST /api/mine/a application/json {"at":0,"blocks":1,"to":"a"}`; len(requests) != 1 || requests[0] != want {
		t.Errorf("%q, want %q", requests, want)
	}
	status, reply = 500, ""
	must.Fail(t, "error 500")(c.makeBlock(t.Context(), "a"))
	status, reply = 200, "<html>"
	must.Fail(t, "not JSON")(c.makeBlock(t.Context(), "a"))
}

// FuzzResult: whatever a node answers is a result or an error.
func FuzzResult(f *testing.F) {
	for _, s := range []string{`{"id":1,"result":{}}`, `{"id":1,"error":{"code":1e400,"message":5,"data":[]}}`, `{"error":"x"}`, "[]", "null", "\xff", ""} {
		f.Add(s, 200)
		f.Add(s, 500)
	}
	f.Fuzz(func(t *testing.T, body string, status int) {
		for _, kind := range []string{"http-get", "jsonrpc1", "jsonrpc2"} {
			v, err := (&rpc{kind: kind}).result(&http.Response{StatusCode: status}, []byte(body), 1)
			if err != nil && v != nil {
				t.Errorf("%s: both %v and %v", kind, v, err)
			}
			if err == nil {
				continue
			}
			if redacted := (&caller{secrets: &redactor{}}).redact(err).Error(); len(redacted) > 10*maxShown {
				t.Errorf("%s: an error of %d bytes", kind, len(redacted))
			}
		}
	})
}

// opaque is a transport that nobody can see into.
type opaque struct{ http.RoundTripper }

func TestRPC_SelfSignedTLS(t *testing.T) {
	y := &fakeNode{chain: []string{"g", "p"}, calls: make(map[string]int)}
	resumed := false
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed = r.TLS.DidResume
		w.Header().Set("Connection", "close") // as btcd does
		y.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that is meant to fail
	s.StartTLS()
	defer s.Close()
	host, port, err := net.SplitHostPort(s.Listener.Addr().String())
	must.Do(t, err)
	number := must.Get(strconv.Atoi(port))(t)
	prepare := func(rpc string, transport http.RoundTripper) (*Chain, error) {
		c := New(parse(t, plain, "rpc: 7001", fmt.Sprint("rpc: ", number), "{kind: jsonrpc2}", rpc), image{}, transport, nil)
		t.Cleanup(c.CloseIdleConnections)
		net := ring(1)
		net.Nodes[0].Addr = netip.MustParseAddr(host)
		_, err := c.Prepare(t.Context(), net)
		return c, err
	}
	c := must.Get(prepare("{kind: jsonrpc2, tls: self-signed}", new(http.Transport)))(t)
	if tip, err := c.reader.tip(t.Context(), c.net.nodes[0]); err != nil || tip.height != 1 {
		t.Errorf("%+v, %v", tip, err)
	}
	if !resumed {
		t.Error("the second request began with a full handshake")
	}
	if c, err = prepare("{kind: jsonrpc2}", new(http.Transport)); err != nil {
		t.Fatal(err)
	}
	must.Fail(t, "")(c.reader.tip(t.Context(), c.net.nodes[0]))
	_, err = prepare("{kind: jsonrpc2, tls: self-signed}", opaque{new(http.Transport)})
	if err == nil || !strings.Contains(err.Error(), "toy.yaml:9:1: rpc: ") || !strings.Contains(err.Error(), "self-signed") {
		t.Errorf("a transport that cannot: %v", err)
	}
}
