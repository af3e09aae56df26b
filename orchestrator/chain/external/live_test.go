package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/chain"
)

// inWallets is a wallet that says all there is.
const inWallets = `
wallet: {chain_id: "{{.Network}}", account: "0x{{.Node.Keys.account.AddressHex}}", private_key: "0x{{.Node.Keys.account.PrivateHex}}", funds: 5 coins}
`

func TestAccess(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain+inWallets, "rpc: {kind: jsonrpc2}",
		`rpc: {kind: jsonrpc1, tls: self-signed, path: /x, basic: {user: me, password: "it's {{.Node.Name}}"}}`))
	a, err := w.access("b")
	if err != nil {
		t.Fatal(err)
	}
	key := w.nodes["b"].data["Keys"].(map[string]Key)["account"]
	address, _ := key.AddressHex()
	got := []string{a.URL.String(), a.User, a.Password, a.Token, a.ChainID, a.Account, a.PrivateKey, a.Funds}
	want := []string{"https://10.0.0.2:7001/x", "me", "it's b", "", "test", "0x" + address, "0x" + key.PrivateHex(), "5 coins"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("access %q\nwant %q", got, want)
	}
	const command = `curl -s -k -u 'me:it'\''s b' -H 'Content-Type: application/json' ` +
		`-d '{"id":1,"jsonrpc":"1.0","method":"height","params":[]}' 'https://127.0.0.1:9/x'`
	if got := a.Example("127.0.0.1:9"); got != command {
		t.Errorf("example %s", got)
	}
	for _, secret := range []string{a.Password, a.PrivateKey, key.PrivateHex()} {
		if got := w.redact("<" + secret + ">"); strings.Contains(got, secret) {
			t.Errorf("%s is shown", got)
		}
	}
	if _, err := w.access("nobody"); err == nil {
		t.Error("access to nobody")
	}
}

func TestAccessWithoutCredentials(t *testing.T) {
	w := newWorld(t, 1, parse(t, webbed, "rpc: {kind: http-get}", `rpc: {kind: http-get, path: /v1, bearer: "to-{{.Node.Name}}"}`))
	a, err := w.access("a")
	if err != nil || a.Token != "to-a" || a.User+a.Password+a.ChainID+a.Account != "" {
		t.Errorf("access %+v, %v", a, err)
	}
	if got := a.Example("127.0.0.1:9"); got != `curl -s -H 'Authorization: Bearer to-a' 'http://127.0.0.1:9/v1/status'` {
		t.Errorf("example %s", got)
	}
}

func TestAccessOfAChainThatIsAskedWithPosts(t *testing.T) {
	w := newWorld(t, 1, parse(t, webbed, "{path: /status}", "{path: /status, params: {of: [head]}}"))
	a, err := w.access("a")
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Example("127.0.0.1:9"); got != `curl -s -H 'Content-Type: application/json' -d '{"of":["head"]}' 'http://127.0.0.1:9/status'` {
		t.Errorf("example %s", got)
	}
}

// webbed is a chain that is asked with paths.
const webbed = `
name: web
description: A chain for tests.
image: {ref: "web:1"}
start: {args: [run]}
ports: {rpc: 7001}
rpc: {kind: http-get}
calls: {status: {path: /status}}
observe:
  height: {call: status, jq: .height}
  head: {call: status, jq: .hash}
  block: {call: status, hash: .hash, parent: .parent, time: .time}
facts: {family: pow, quorum: 0, fork_depth: 6}
`

func TestAWalletThatFailsStopsThePreparation(t *testing.T) {
	c := New(parse(t, plain+inWallets, "0x{{.Node.Keys.account.PrivateHex}}", "{{.Node.Keys.salt.AddressHex}}"), image{}, nil, nil)
	_, err := c.Prepare(t.Context(), network(1))
	if err == nil || !strings.Contains(err.Error(), "wallet of node a: toy.yaml:") {
		t.Errorf("%v", err)
	}
}

// reopen is the driver that another process makes of what was kept.
func reopen(t *testing.T, c *Chain, net chain.Network) *Chain {
	t.Helper()
	state, err := c.export()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Restore(state, c.rpc.http.Transport)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Prepare(t.Context(), net); err != nil {
		t.Fatal(err)
	}
	return again
}

func TestRestoreHasWhatStepsCaptured(t *testing.T) {
	file := parse(t, stepped, `password: "pw-{{.Node.Keys.salt.PrivateHex}}"`, `password: "{{.captured.id}} {{.Node.captured.token}}"`)
	c := New(file, &containers{}, nil, nil)
	net := network(2)
	if _, err := c.Prepare(t.Context(), net); err != nil {
		t.Fatal(err)
	}
	again := reopen(t, c, net)
	for _, id := range []string{"a", "b"} {
		want := "12345678901234567890 token of " + id
		a, err := again.access(net.Nodes[id[0]-'a'].ID)
		if err != nil || a.Password != want {
			t.Errorf("password of %s: %q, %v", id, a.Password, err)
		}
		if got := again.redact(want); got != "[secret]" {
			t.Errorf("after %s", got)
		}
	}
	if again.Capabilities().MakeBlock != nil || again.file.Name != "stepped" {
		t.Errorf("another chain: %s", again.file.Name)
	}
	if third := reopen(t, again, net); third.redact("token: 12345678901234567890 token of b") != "token: [secret]" {
		t.Error("what was captured is lost when it is kept again")
	}
}

func TestRestoreFails(t *testing.T) {
	for state, want := range map[string]string{
		`{"file": "a.yaml", "source": "name: [1]"}`: "the chain file as it was when the testnet was made: a.yaml:1:1",
		`{"file": 1}`: "read what was exported of the chain",
		``:            "read what was exported of the chain",
	} {
		if _, err := Restore([]byte(state), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", state, err)
		}
	}
}

// TestTransactionsOfTwoProcessesDiffer: the numbers of a restored chain's transactions are none of the first one's.
func TestTransactionsOfTwoProcessesDiffer(t *testing.T) {
	w := newWorld(t, 2, parse(t, plain))
	net := network(2)
	seen := make(map[string]bool)
	for range 3 {
		c := reopen(t, w.Chain, net)
		for range 2 {
			if _, err := c.Client("a").Transfer(t.Context(), "b", 5); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, text := range w.toys[0].sent {
		nonce := text[strings.LastIndex(text, " ")+1:]
		if seen[nonce] || len(nonce) < 10 || len(nonce) > 16 {
			t.Errorf("nonce %s", nonce)
		}
		seen[nonce] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d transactions", len(seen))
	}
}

func TestHashAt(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, "p", "q")
	client := w.Client("a")
	if h, err := client.HashAt(t.Context(), 1); h != "x-p" || err != nil {
		t.Errorf("hash %s, %v", h, err)
	}
	if _, err := client.HashAt(t.Context(), 3); !errors.Is(err, chain.ErrNoBlock) {
		t.Errorf("above the head: %v", err)
	}
	w.toys[0].hook = func(_ *toy, method string, _ int) *RPCError {
		if method == "block" {
			return &RPCError{Code: 1, Message: "broken"}
		}
		return nil
	}
	if _, err := client.HashAt(t.Context(), 1); err == nil || errors.Is(err, chain.ErrNoBlock) {
		t.Errorf("a node that is broken: %v", err)
	}
	if _, err := w.Client("nobody").HashAt(t.Context(), 1); err == nil {
		t.Error("the hash of nobody")
	}
}

// TestFind: the transaction is in the block that is made while it is waited for, also where the chain is replaced on the
// way there. Each block of a toy holds 0xab and its height, so that a word's place tells.
func TestFind(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].set(1, "p", "q", "r")
	client := w.Client("a")
	if err := w.Capabilities().NoFindTx; err != nil {
		t.Error(err)
	}
	if h, err := client.FindTx(t.Context(), "0xAB3", 1); h != 3 || err != nil {
		t.Errorf("at %d, %v", h, err)
	}
	asked := 0
	w.toys[0].hook = func(y *toy, method string, _ int) *RPCError {
		if method != "height" {
			return nil
		}
		switch asked++; asked {
		case 2:
			return &RPCError{Code: 1, Message: "busy"}
		case 3:
			y.replace(2, "s") // the chain becomes shorter, and another
		case 5:
			y.replace(3, "t", "u", "v")
		}
		return nil
	}
	if h, err := client.FindTx(t.Context(), "0xab5", 1); h != 5 || err != nil {
		t.Errorf("at %d, %v", h, err)
	}
	w.toys[0].hook = nil
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := client.FindTx(ctx, "0xab2", 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a transaction that is in no block above: %v", err)
	}
	none := newWorld(t, 1, parse(t, plain, ", txs: .txs", ""))
	if err := none.Capabilities().NoFindTx; !errors.Is(err, ErrNoTxs) || !strings.Contains(err.Error(), "chain toy") {
		t.Errorf("%v", err)
	}
}

// TestFindSaysWhatItSawLast: who waits in vain is told why.
func TestFindSaysWhatItSawLast(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	w.toys[0].hook = func(*toy, string, int) *RPCError { return &RPCError{Code: 1, Message: "out of order"} }
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := w.Client("a").FindTx(ctx, "x", 0)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("%v", err)
	}
}

// BenchmarkRedact is what a run's end costs for each line that nodes printed.
func BenchmarkRedact(b *testing.B) {
	c := New(parse(b, plain), image{}, http.DefaultTransport, nil)
	if _, err := c.Prepare(b.Context(), network(20)); err != nil {
		b.Fatal(err)
	}
	line := strings.Repeat("2026-01-01 level=info msg=committed hash=49D6B68EEA5F ", 4)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if c.redact(line) != line {
			b.Fatal("changed")
		}
	}
}

// TestKeepHoldsTheFileAsItWas: byte for byte, comments and all.
func TestKeepHoldsTheFileAsItWas(t *testing.T) {
	w := newWorld(t, 1, parse(t, "# mine\n"+plain))
	text, err := w.export()
	if err != nil {
		t.Fatal(err)
	}
	var k exported
	if err := json.Unmarshal(text, &k); err != nil || k.Source != "# mine\n"+plain || k.File != "toy.yaml" {
		t.Errorf("%+v, %v", k, err)
	}
	if fmt.Sprint(k.Captured, k.Nodes) != "map[] map[]" {
		t.Errorf("captured %v, %v", k.Captured, k.Nodes)
	}
}
