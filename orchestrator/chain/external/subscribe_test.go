package external

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/chain"
)

const wsFile = `
  arrival:
    websocket:
      path: /ws
      send: ['{"login":"{{.Node.Name}}"}', '{"subscribe":"blocks"}']
      hash: .block.hash
      height: .block.height
  peers: {call: peers`

// TestSubscribe, with TLS and authentication as the RPC has them.
func TestSubscribe(t *testing.T) {
	file := parse(t, plain, "\n  peers: {call: peers", wsFile,
		"rpc: {kind: jsonrpc2}", `rpc: {kind: jsonrpc2, tls: self-signed, basic: {user: u, password: correct-horse}}`)
	f := newFabric(t)
	c := New(file, image{}, f.transport, nil)
	must.Get(c.Prepare(t.Context(), ring(1)))(t)
	t.Cleanup(c.CloseIdleConnections)
	var got []string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "u" || password != "correct-horse" || r.URL.Path != "/ws" {
			http.Error(w, "go away", http.StatusUnauthorized)
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		for range 2 {
			_, text, err := conn.Read(r.Context())
			if err != nil {
				t.Error(err)
				return
			}
			got = append(got, string(text))
		}
		for _, text := range []string{
			`{"result":"subscribed"}`, `no JSON`, `{"block":{"hash":"0xAB","height":"0x7"}}`, `{"block":{"hash":5,"height":-1}}`, `{"block":{"height":8}}`, `[1,2]`,
		} {
			must.Check(t, conn.Write(r.Context(), websocket.MessageText, []byte(text)))
		}
		_ = conn.Close(websocket.StatusNormalClosure, "done")
	}))
	t.Cleanup(s.Close)
	f.servers["10.0.0.1:7001"] = s.Listener.Addr().String()
	var notified []string
	err := c.subscribe(t.Context(), "a", func(n chain.Notification) { notified = append(notified, fmt.Sprint(n.Hash, n.Height)) })
	must.Fail(t, "node a, observe.arrival (toy.yaml:")(err)
	must.Equal(t, "0xab7 8", strings.Join(notified, " "))
	must.Equal(t, `{"login":"a"} {"subscribe":"blocks"}`, strings.Join(got, " "))
}

func TestSubscribe_Errors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		serve      func(conn *websocket.Conn, ctx context.Context)
	}{
		{"refused", "error -32601: no such thing", func(conn *websocket.Conn, ctx context.Context) {
			_ = conn.Write(ctx, websocket.MessageText, []byte(`{"jsonrpc":"2.0","error":{"code":-32601,"message":"no such thing"}}`))
		}},
		{"too long", "read limited at", func(conn *websocket.Conn, ctx context.Context) {
			_ = conn.Write(ctx, websocket.MessageText, make([]byte, maxMessage+2))
		}},
		{"no websocket", "error 404: Not Found (no websocket at /ws)", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := served(t, parse(t, plain, "\n  peers: {call: peers", wsFile), func(w http.ResponseWriter, r *http.Request) {
				if c.serve == nil {
					http.NotFound(w, r)
					return
				}
				conn, err := websocket.Accept(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.CloseNow()
				c.serve(conn, r.Context())
				for range 3 {
					_, _, _ = conn.Read(r.Context())
				}
			})
			must.Fail(t, c.want)(w.subscribe(t.Context(), "a", func(chain.Notification) { t.Error("a notification") }))
		})
	}
	t.Run("the end of the run", func(t *testing.T) {
		w := newHarness(t, 1, parse(t, plain, "\n  peers: {call: peers", wsFile))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		must.Fail(t, context.Canceled)(w.subscribe(ctx, "a", nil))
	})
}

func TestParseNotification(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain, "\n  peers: {call: peers", `
  arrival: {log: {pattern: 'block (?:number=(?P<height>[0-9,]+) )?hash=(?P<hash>\w+)'}}
  peers: {call: peers`))
	for line, want := range map[string]chain.Notification{
		"block number=1,234 hash=0xAB": {Hash: "0xab", Height: 1234}, "block hash=word": {Hash: "word"}, "nothing": {},
		"block number=99999999999999999999 hash=x": {},
	} {
		if h, ok := w.parseNotification("a", []byte(line)); h != want || ok != (want != chain.Notification{}) {
			t.Errorf("%s: %+v %v", line, h, ok)
		}
	}
	if w.Capabilities().Subscribe != nil {
		t.Error("it subscribes")
	}
}
