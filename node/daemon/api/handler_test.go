package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/consensus/pow"
	"github.com/netsplit/netsplit/node/wire"
)

// testSenders is how many accounts have money; a node takes a limited number of pending transactions from each.
const testSenders = 20

const testNow = node.Time(1_700_000_100_000_000_000)

// backend hosts a node in the test's own goroutine.
type backend struct {
	node *node.Node
	err  error
}

func (b *backend) Do(_ context.Context, fn func(n *node.Node, now node.Time) []node.Effect) error {
	if b.err != nil {
		return b.err
	}
	fn(b.node, testNow)
	return nil
}

func testKey(t testing.TB, i int) chain.Key {
	t.Helper()
	k := must.Get(chain.KeyFromSeed(fmt.Sprintf("%064x", i)))(t)
	return k
}

func newBackend(t testing.TB) *backend {
	t.Helper()
	g := chain.Genesis{Network: "api-test", Time: 1_700_000_000_000, Interval: 1000, HalfLife: 3_600_000,
		Bits: pow.InitialBits(1, 1000), Subsidy: 50}
	for i := range testSenders {
		g.Alloc = append(g.Alloc, chain.Alloc{Address: testKey(t, i+1).Address(), Amount: 1_000_000})
	}
	slices.SortFunc(g.Alloc, func(a, b chain.Alloc) int { return a.Address.Cmp(b.Address) })
	n, err := node.New(node.Config{Name: "n1", Genesis: g, Key: fmt.Sprintf("%064x", 1), Relay: "flood"}, node.Deps{}, nil, testNow)
	if err != nil {
		t.Fatal(err)
	}
	n.Start(testNow)
	return &backend{node: n}
}

// request returns the status and the body of an answer, and checks that JSON is JSON.
func request(t testing.TB, h http.Handler, method, path, body string) (int, []byte) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()) {
		t.Errorf("%s %s: not JSON: %q", method, path, w.Body)
	}
	if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
		t.Errorf("%s %s: no Allow header", method, path)
	}
	return w.Code, w.Body.Bytes()
}

func decode[T any](t testing.TB, body []byte) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

func TestErrors(t *testing.T) {
	h := Handler(newBackend(t))
	hash := strings.Repeat("ab", 32)
	tests := []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/", "", 404, "no such resource"},
		{"GET", "/v1/nothing", "", 404, "no such resource"},
		{"GET", "/v1/status/x", "", 404, "no such resource"},
		{"POST", "/v1/status", "", 405, "use GET"},
		{"DELETE", "/v1/blocks/0", "", 405, "use GET"},
		{"GET", "/v1/transactions", "", 405, "use POST"},
		{"POST", "/metrics", "", 405, "use GET"},
		{"PUT", "/healthz", "", 405, "use GET"},
		{"GET", "/v1/blocks/1", "", 404, "no block 1"},
		{"GET", "/v1/blocks/" + hash, "", 404, "no block " + hash},
		{"GET", "/v1/blocks/-1", "", 400, "neither a height nor a hash"},
		{"GET", "/v1/blocks/99999999999999999999", "", 400, "neither a height nor a hash"},
		{"GET", "/v1/blocks/" + strings.Repeat("zz", 32), "", 400, "hex digit"},
		{"GET", "/v1/accounts/ab", "", 400, "want 64 hex digits"},
		{"GET", "/v1/transactions/ab", "", 400, "want 64 hex digits"},
		{"POST", "/v1/transactions", "", 400, "EOF"},
		{"POST", "/v1/transactions", "{}", 400, "are required"},
		{"POST", "/v1/transactions", `{"from":"ab"}`, 400, "want 64 hex digits"},
		{"POST", "/v1/transactions", `{"amount":-1}`, 400, "cannot unmarshal"},
		{"POST", "/v1/transactions", `{"amount":1.5}`, 400, "cannot unmarshal"},
		{"POST", "/v1/transactions", `{"memo":"x"}`, 400, "unknown field"},
		{"POST", "/v1/transactions", `{} {}`, 400, "text after the end"},
		{"POST", "/v1/transactions", strings.Repeat(" ", maxBody+1), 413, "larger than 64 KiB"},
	}
	for _, tt := range tests {
		code, body := request(t, h, tt.method, tt.path, tt.body)
		answer := decode[struct{ Error string }](t, body)
		if code != tt.code || !strings.Contains(answer.Error, tt.want) {
			t.Errorf("%s %s: status %d, error %q, want %d and %q", tt.method, tt.path, code, answer.Error, tt.code, tt.want)
		}
	}
}

func TestUnreachableNode(t *testing.T) {
	h := Handler(&backend{err: errors.New("node has stopped")})
	hash := strings.Repeat("ab", 32)
	for _, path := range []string{"v1/status", "v1/head", "v1/blocks/0", "v1/transactions/" + hash, "v1/accounts/" + hash,
		"v1/mempool", "v1/peers", "metrics", "healthz"} {
		if code, body := request(t, h, "GET", "/"+path, ""); code != 503 || !strings.Contains(string(body), "node has stopped") {
			t.Errorf("GET /%s: status %d, %s", path, code, body)
		}
	}
	tx := must.Get(json.Marshal(chain.Tx{}))(t)
	if code, _ := request(t, h, "POST", "/v1/transactions", string(tx)); code != 503 {
		t.Errorf("POST /v1/transactions: status %d", code)
	}
}

func TestStatusAndBlocks(t *testing.T) {
	b := newBackend(t)
	h := Handler(b)
	code, body := request(t, h, "GET", "/v1/status", "")
	s := decode[Status](t, body)
	genesis := b.node.Genesis()
	if code != 200 || s.Name != "n1" || s.Network != "api-test" || s.ID != testKey(t, 1).Address() || s.Head != genesis.Hash() ||
		s.GenesisHash != genesis.Hash() || s.Height != 0 || s.Mining || s.Version == "" {
		t.Errorf("status %d, %+v", code, s)
	}
	for _, path := range []string{"/v1/head", "/v1/blocks/0", "/v1/blocks/" + genesis.Hash().String()} {
		code, body := request(t, h, "GET", path, "")
		got := decode[Block](t, body)
		if code != 200 || got.Hash != genesis.Hash() || got.Header != genesis.Header || len(got.Txs) != 0 {
			t.Errorf("%s: status %d, %+v", path, code, got)
		}
		raw := must.Get(base64.StdEncoding.DecodeString(got.Raw))(t)
		if again, err := chain.DecodeBlock(raw); err != nil || again.Hash() != genesis.Hash() {
			t.Errorf("%s: raw is another block (%v)", path, err)
		}
		if !bytes.Contains(body, []byte(`"txs":[]`)) {
			t.Errorf("%s: an empty list is not []: %s", path, body)
		}
	}
	if code, body := request(t, h, "HEAD", "/v1/status", ""); code != 200 {
		t.Errorf("HEAD: status %d, %s", code, body)
	}
	if code, body := request(t, h, "GET", "/healthz", ""); code != 200 || string(body) != "ok\n" {
		t.Errorf("healthz: status %d, %q", code, body)
	}
}

func TestTransactions(t *testing.T) {
	b := newBackend(t)
	h := Handler(b)
	genesis := b.node.Genesis().Hash()
	from := testKey(t, 1)
	sign := func(i uint64) (chain.Tx, string) {
		tx := chain.Tx{To: testKey(t, 99).Address(), Amount: 1, Fee: 1, Nonce: i / testSenders}
		testKey(t, 1+int(i%testSenders)).Sign(genesis, &tx)
		text := must.Get(json.Marshal(tx))(t)
		return tx, string(text)
	}
	const sent = maxMempool + 5
	for i := range uint64(sent) {
		tx, text := sign(i)
		code, body := request(t, h, "POST", "/v1/transactions", text)
		if code != 202 || decode[Submitted](t, body).ID != tx.ID() {
			t.Fatalf("transaction %d: status %d, %s", i, code, body)
		}
	}
	bad, _ := sign(0)
	bad.Amount++
	text := must.Get(json.Marshal(bad))(t)
	if code, body := request(t, h, "POST", "/v1/transactions", string(text)); code != 422 || !strings.Contains(string(body), `"error"`) {
		t.Errorf("bad signature: status %d, %s", code, body)
	}

	first, _ := sign(0)
	_, body := request(t, h, "GET", "/v1/transactions/"+first.ID().String(), "")
	if st := decode[TxStatus](t, body); st.Status != node.TxPending || st.ID != first.ID() || st.Block != nil {
		t.Errorf("pending: %s", body)
	}
	_, body = request(t, h, "GET", "/v1/transactions/"+genesis.String(), "")
	if st := decode[TxStatus](t, body); st.Status != node.TxUnknown {
		t.Errorf("unknown: %s", body)
	}
	_, body = request(t, h, "GET", "/v1/mempool", "")
	if m := decode[Mempool](t, body); m.Count != sent || len(m.Txs) != maxMempool || m.Txs[0].ID == (chain.Hash{}) {
		t.Errorf("mempool: count %d, %d listed", m.Count, len(m.Txs))
	}
	_, body = request(t, h, "GET", "/v1/accounts/"+from.Address().String(), "")
	if a := decode[Account](t, body); a.Balance != 1_000_000 || a.Nonce != 0 || a.NextNonce != sent/testSenders+1 {
		t.Errorf("account: %+v", a)
	}
	_, body = request(t, h, "GET", "/metrics", "")
	for _, line := range []string{fmt.Sprintf("netsplit_node_mempool_transactions %d", sent), "netsplit_node_height 0",
		"# TYPE netsplit_node_duplicates_total counter"} {
		if !bytes.Contains(body, []byte(line+"\n")) {
			t.Errorf("metrics lack %q", line)
		}
	}
}

func TestPeers(t *testing.T) {
	b := newBackend(t)
	h := Handler(b)
	genesis := b.node.Genesis()
	id := testKey(t, 3).Address()
	b.node.PeerUp(testNow, id, false)
	b.node.Receive(testNow, id, &wire.Hello{Version: wire.Version, Genesis: genesis.Hash(), Head: genesis.Hash(), Addr: "10.0.0.3:4001"})
	_, body := request(t, h, "GET", "/v1/peers", "")
	type answer struct {
		T     node.Time
		Peers []Peer
		Bans  []Ban
	}
	p := decode[answer](t, body)
	if p.T != testNow || len(p.Bans) != 0 || len(p.Peers) != 1 || p.Peers[0].ID != id || p.Peers[0].Addr != "10.0.0.3:4001" || p.Peers[0].Outbound {
		t.Errorf("peers: %s", body)
	}
	b.node.Receive(testNow, id, &wire.Inv{Item: wire.ItemBlock, Hashes: []chain.Hash{{1}}})
	if _, body = request(t, h, "GET", "/v1/peers", ""); decode[answer](t, body).Peers[0].Relayed != 1 {
		t.Errorf("peers after an announcement: %s", body)
	}
	b.node.Malformed(testNow, id, errors.New("garbage"))
	_, body = request(t, h, "GET", "/v1/peers", "")
	if p := decode[answer](t, body); len(p.Peers) != 0 || len(p.Bans) != 1 || p.Bans[0].ID != id || p.Bans[0].Reason != "garbage" || p.Bans[0].LeftMS != 60_000 {
		t.Errorf("peers after a ban: %s", body)
	}
}
