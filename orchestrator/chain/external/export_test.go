package external

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/chain"
)

// reopen is the chain that another process makes of what was exported.
func reopen(t *testing.T, c *Chain, net chain.Network) *Chain {
	t.Helper()
	state := must.Get(c.export())(t)
	again := must.Get(Restore(state, c.rpc.http.Transport))(t)
	must.Get(again.Prepare(t.Context(), net))(t)
	return again
}

func TestRestore_CapturedValues(t *testing.T) {
	file := parse(t, stepped, `password: "pw-{{.Node.Keys.salt.PrivateHex}}"`, `password: "{{.captured.id}} {{.Node.captured.token}}"`)
	c := New(file, &containers{}, nil, nil)
	net := ring(2)
	must.Get(c.Prepare(t.Context(), net))(t)
	again := reopen(t, c, net)
	for _, id := range []string{"a", "b"} {
		want := "12345678901234567890 token of " + id
		a, err := again.access(net.Nodes[id[0]-'a'].ID)
		if err != nil || a.Password != want {
			t.Errorf("password of %s: %q, %v", id, a.Password, err)
		}
		if got := again.secrets.text(want); got != "[secret]" {
			t.Errorf("after %s", got)
		}
	}
	if again.Capabilities().MakeBlock != nil || again.file.Name != "stepped" {
		t.Errorf("another chain: %s", again.file.Name)
	}
	if third := reopen(t, again, net); third.secrets.text("token: 12345678901234567890 token of b") != "token: [secret]" {
		t.Error("what was captured is lost when it is kept again")
	}
}

func TestRestore_Errors(t *testing.T) {
	for state, want := range map[string]string{
		`{"file": "a.yaml", "source": "name: [1]"}`: "the chain file as it was when the testnet was made: a.yaml:1:1",
		`{"file": 1}`: "read what was exported of the chain",
		``:            "read what was exported of the chain",
	} {
		must.Fail(t, want)(Restore([]byte(state), nil))
	}
}

// TestRestore_NoncesDiffer: the numbers of a restored chain's transactions are none of the first one's.
func TestRestore_NoncesDiffer(t *testing.T) {
	w := newHarness(t, 2, parse(t, plain))
	net := ring(2)
	seen := make(map[string]bool)
	for range 3 {
		c := reopen(t, w.Chain, net)
		for range 2 {
			must.Get(c.Client("a").Transfer(t.Context(), "b", 5))(t)
		}
	}
	for _, text := range w.fakes[0].sent {
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

// TestExport_KeepsFileVerbatim: byte for byte, comments and all.
func TestExport_KeepsFileVerbatim(t *testing.T) {
	w := newHarness(t, 1, parse(t, "# mine\n"+plain))
	text := must.Get(w.export())(t)
	var k exported
	if err := json.Unmarshal(text, &k); err != nil || k.Source != "# mine\n"+plain || k.File != "toy.yaml" {
		t.Errorf("%+v, %v", k, err)
	}
	if fmt.Sprint(k.Captured, k.Nodes) != "map[] map[]" {
		t.Errorf("captured %v, %v", k.Captured, k.Nodes)
	}
}
