package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestExitWatch(t *testing.T) {
	w := newExitWatch()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.report(ctx, func(e *nodeExitError) { t.Errorf("%s exited", e.node) })
	for range maxExits + 1 {
		w.Exit("miner-1", errors.New("exit status 1"))
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	reported := 0
	w.report(ctx, func(e *nodeExitError) {
		if reported++; e.Error() != "node miner-1 exited: exit status 1" {
			t.Errorf("reported %v", e)
		}
		if reported == maxExits {
			cancel() // the one more was dropped
		}
	})
	if reported != maxExits {
		t.Errorf("reported %d times", reported)
	}
	starting, fail := context.WithCancelCause(t.Context())
	w.onExit(fail)
	w.Exit("miner-2", errors.New("exit status 2"))
	if exit := new(nodeExitError); !errors.As(context.Cause(starting), &exit) || exit.node != "miner-2" {
		t.Errorf("the start ended with %v", context.Cause(starting))
	}
}

func TestNodeTable_LeavesEmptyColumnsOut(t *testing.T) {
	rows := []nodeRow{
		{Node: "a", Role: "miner", Addr: "10.0.0.1", RPC: "http://127.0.0.1:1/", Mines: 2, Peers: 1, ChainID: "7", Account: "0xa", PrivateKey: "0xb", Funds: "5"},
		{Node: "b", Role: "full", Addr: "10.0.0.2", RPC: "http://127.0.0.1:2/", Peers: 1, User: "u", Password: "p", ChainID: "7", Account: "0xc"},
	}
	header, cells := nodeTable(rows)
	if diff := cmp.Diff([]string{"node", "role", "address", "mines", "peers", "RPC", "user", "password", "chain id"}, header); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"b", "full", "10.0.0.2", "", "1", "http://127.0.0.1:2/", "u", "p", "7"}, cells[1]); diff != "" {
		t.Error(diff)
	}
	header, cells = accountTable(rows)
	if diff := cmp.Diff([]string{"node", "account", "private key", "funds"}, header); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "0xa", "0xb", "5"}, cells[0]); diff != "" {
		t.Error(diff)
	}
	if header, _ = accountTable([]nodeRow{{Node: "a"}}); len(header) != 1 {
		t.Errorf("accounts of a chain without any: %v", header)
	}
}

// TestUp_PrintsAccess: addresses on loopback that answer, credentials, chain id and funded keys, for programs too.
func TestUp_PrintsAccess(t *testing.T) {
	b := newWorkspace(t)
	file := b.file("ports: {rpc: 7001}", "keys: {account: secp256k1, rpc: random}\nports: {rpc: 7001}",
		"rpc: {kind: jsonrpc2}", "rpc: {kind: jsonrpc2, basic: {user: me, password: \"{{.Node.Keys.rpc.PrivateHex}}\"}}\n"+
			"wallet: {chain_id: toy-7, account: \"0x{{.Node.Keys.account.AddressHex}}\", private_key: \"{{.Node.Keys.account.PrivateHex}}\", funds: 5 toys}")
	cmd, out, errs := b.command(t.Context(), "up", "--detach", "--json", "--chain", file)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	up := regexp.MustCompile(`testnet (\S+) is up`).FindStringSubmatch(errs.String())
	if up == nil {
		t.Fatalf("which testnet is up? %s", errs)
	}
	defer func() {
		down, _, errs := b.command(t.Context(), "down", up[1])
		if err := down.Run(); err != nil {
			t.Errorf("%v\n%s", err, errs)
		}
	}()
	var started startedTestnet
	if err := json.Unmarshal(out.Bytes(), &started); err != nil || started.Testnet != up[1] || started.Directory == "" {
		t.Fatalf("%v\n%s", err, out)
	}
	rows := started.Nodes
	secret := regexp.MustCompile(`^[0-9a-f]{64}$`)
	for _, r := range rows {
		at, err := url.Parse(r.RPC)
		if err != nil || !net.ParseIP(at.Hostname()).IsLoopback() || at.Port() == "7001" {
			t.Errorf("%s: RPC %s, %v", r.Node, r.RPC, err)
		}
		if r.User != "me" || !secret.MatchString(r.Password) || r.ChainID != "toy-7" || !strings.HasPrefix(r.Account, "0x") ||
			!secret.MatchString(r.PrivateKey) || r.Funds != "5 toys" {
			t.Errorf("%+v", r)
		}
		answer, err := exec.CommandContext(t.Context(), "sh", "-c", r.Example).Output()
		if err != nil || !strings.Contains(string(answer), `"height"`) {
			t.Errorf("%s\n%s %v", r.Example, answer, err)
		}
	}
	if len(rows) != 5 {
		t.Errorf("%d nodes", len(rows))
	}
}
