package external

import (
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

// inWallets is a wallet that says all there is.
const inWallets = `
wallet: {chain_id: "{{.Network}}", account: "0x{{.Node.Keys.account.AddressHex}}", private_key: "0x{{.Node.Keys.account.PrivateHex}}", funds: 5 coins}
`

func TestAccess(t *testing.T) {
	w := newHarness(t, 2, parse(t, plain+inWallets, "rpc: {kind: jsonrpc2}",
		`rpc: {kind: jsonrpc1, tls: self-signed, path: /x, basic: {user: me, password: "it's {{.Node.Name}}"}}`))
	a := must.Get(w.access("b"))(t)
	key := w.nodes["b"].member.key("account")
	address, _ := key.AddressHex()
	got := []string{a.URL.String(), a.User, a.Password, a.Token, a.ChainID, a.Account, a.PrivateKey, a.Funds}
	want := []string{"https://10.0.0.2:7001/x", "me", "it's b", "", "test", "0x" + address, "0x" + key.PrivateHex(), "5 coins"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("access %q\nwant %q", got, want)
	}
	const command = `curl -s -k -u 'me:it'\''s b' -H 'Content-Type: application/json' ` +
		`-d '{"id":1,"jsonrpc":"1.0","method":"height","params":[]}' 'https://127.0.0.1:9/x'`
	must.Equal(t, command, a.Example("127.0.0.1:9"))
	for _, secret := range []string{a.Password, a.PrivateKey} {
		if got := w.secrets.text("<" + secret + ">"); strings.Contains(got, secret) {
			t.Errorf("%s is shown", got)
		}
	}
	must.Fail(t, "has no node nobody")(w.access("nobody"))
}

func TestAccess_HTTPGet(t *testing.T) {
	for _, c := range []struct{ old, put, token, want string }{
		{"rpc: {kind: http-get}", `rpc: {kind: http-get, path: /v1, bearer: "to-{{.Node.Name}}"}`, "to-a",
			`curl -s -H 'Authorization: Bearer to-a' 'http://127.0.0.1:9/v1/status'`},
		{"{path: /status}", "{path: /status, params: {of: [head]}}", "",
			`curl -s -H 'Content-Type: application/json' -d '{"of":["head"]}' 'http://127.0.0.1:9/status'`},
	} {
		a := must.Get(newHarness(t, 1, parse(t, webbed, c.old, c.put)).access("a"))(t)
		if got := a.Example("127.0.0.1:9"); a.Token != c.token || a.User+a.Password+a.ChainID+a.Account != "" || got != c.want {
			t.Errorf("access %+v, example %s", a, got)
		}
	}
}

// webbed is a chain whose calls are paths.
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
