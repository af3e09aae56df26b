package external

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

func TestWhoLeadsIsOneOfTheNodes(t *testing.T) {
	file := parse(t, plain, "  make_block:", "  leader: {call: who, jq: '.said[0]'}\n  make_block:",
		"calls:\n", "calls:\n  who: {method: echo, params: [\"{{.Node.Role}}\"]}\n",
		"keys: {account: secp256k1,", "keys: {account: secp256k1, sign: ed25519,")
	w := newWorld(t, 3, file)
	if w.Capabilities().Leader == nil {
		t.Fatal("nobody leads")
	}
	keys := w.nodes["b"].data["Keys"].(map[string]Key)
	account, sign := keys["account"], keys["sign"]
	address, _ := account.AddressHex()
	for _, x := range []struct{ named, want string }{
		{address, "b"},
		{"0x" + strings.ToUpper(address), "b"},
		{hex.EncodeToString(sign.Public), "b"},
		{strings.ToUpper(hex.EncodeToString(account.Public)), "b"},
		{base64.StdEncoding.EncodeToString(sign.Public), "b"},
		{"c", "c"},
		{strings.ToLower(base64.StdEncoding.EncodeToString(sign.Public)), ""},
		{hex.EncodeToString(keys["salt"].Private), ""},
		{"nobody", ""},
		{"", ""},
	} {
		w.nodes["a"].data["Role"] = x.named
		leader, err := w.leader(t.Context(), "a")
		if string(leader) != x.want || (err == nil) != (x.want != "") {
			t.Errorf("%q leads: %q, %v", x.named, leader, err)
		}
		// Makers of blocks are found in the same way.
		if got := w.producer(x.named); x.want != "" && got != w.nodes[leader].account {
			t.Errorf("%q made a block: %q", x.named, got)
		}
	}
	if _, err := w.leader(t.Context(), "nobody"); err == nil {
		t.Error("a node that there is not knows who leads")
	}
}

func TestNobodyLeads(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain))
	if w.Capabilities().Leader != nil {
		t.Error("somebody leads")
	}
}
