package daemon

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
)

func writeConfig(tb testing.TB, text string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "node.json")
	must.Do(tb, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// configFile writes a configuration to a file.
func configFile(tb testing.TB, cfg node.Config) string {
	tb.Helper()
	text := must.Get(json.MarshalIndent(cfg, "", "  "))(tb)
	return writeConfig(tb, string(text))
}

func TestLoadConfig(t *testing.T) {
	want := testConfig(t, 1)
	want.Mine, want.MinPeers, want.PeerExchange, want.Advertise = 1.5, 2, true, "10.0.0.1:4001"
	want.Peers = []node.PeerAddr{{ID: testKey(2).Address(), Addr: "10.0.0.2:4001"}}
	got := must.Get(LoadConfig(configFile(t, want)))(t)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration differs (-want +got):\n%s", diff)
	}
}

func TestLoadConfig_Errors(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"empty":        {"", ":1:1: text ends too early"},
		"cut":          {"{\n\"name\": \"x\",", ":2:13: text ends too early"},
		"syntax":       {"{\n  \"name\": x}", ":2:11: invalid character 'x'"},
		"unknown":      {"{\"name\": \"x\",\n \"mime\": 3}", `:2:2: unknown key "mime"`},
		"case":         {`{"Name": "x"}`, `:1:2: unknown key "Name"`},
		"nested":       {"{\"genesis\": {\"alloc\": [\n{},\n{\"adress\": 1}]}}", `:3:2: unknown key "genesis.alloc[1].adress"`},
		"twice":        {`{"name": "x", "name": "y"}`, `:1:15: key "name" is given twice`},
		"negative":     {`{"genesis": {"subsidy": -1}}`, ":1:26: genesis.subsidy: got number -1"},
		"type":         {"{\n\"max_peers\": \"8\"}", ":2:16: max_peers: got string, want int"},
		"after":        {"{}\n {}", ":2:2: text after the end"},
		"not object":   {"[1]", ":1:"},
		"long hex":     {`{"peers": [{"id": "zz"}]}`, ":1:19: peers[0].id: address: want 64 hex digits"},
		"valid syntax": {`{}`, ": genesis"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			file := writeConfig(t, tt.text)
			_, err := LoadConfig(file)
			var ce *ConfigError
			if !errors.As(err, &ce) || !strings.HasPrefix(err.Error(), file) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want a ConfigError with %q", err, tt.want)
			}
		})
	}
	huge := writeConfig(t, "")
	must.Do(t, os.Truncate(huge, maxConfigSize+1))
	if _, err := LoadConfig(huge); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("file too large: %v", err)
	}
	if _, err := LoadConfig(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("directory: %v", err)
	}
}

func TestValidate(t *testing.T) {
	peer := node.PeerAddr{ID: testKey(2).Address(), Addr: "10.0.0.2:4001"}
	tests := map[string]struct {
		change func(*node.Config)
		want   string // empty: valid
	}{
		"valid":            {func(c *node.Config) {}, ""},
		"default peers":    {func(c *node.Config) { c.MaxPeers = 0; c.MinPeers = 1 }, ""},
		"long name":        {func(c *node.Config) { c.Name = strings.Repeat("n", 65) }, "name: "},
		"name with escape": {func(c *node.Config) { c.Name = "a\x1b[0m" }, "name: "},
		"genesis":          {func(c *node.Config) { c.Genesis.Network = "" }, "genesis: "},
		"no key":           {func(c *node.Config) { c.Key = "" }, "key: want a seed of 64 hex digits"},
		"bad key":          {func(c *node.Config) { c.Key = strings.Repeat("x", 64) }, "key: want a seed of 64 hex digits"},
		"negative rate":    {func(c *node.Config) { c.Mine = -1 }, "mine: "},
		"no rate":          {func(c *node.Config) { c.Mine = math.NaN() }, "mine: "},
		"rate":             {func(c *node.Config) { c.Mine = math.Inf(1) }, "mine: "},
		"relay":            {func(c *node.Config) { c.Relay = "gossip" }, "relay: "},
		"no relay":         {func(c *node.Config) { c.Relay = "" }, "relay: "},
		"max_peers":        {func(c *node.Config) { c.MaxPeers = -1 }, "max_peers: "},
		"many max_peers":   {func(c *node.Config) { c.MaxPeers = 1e6 }, "max_peers: "},
		"min_peers":        {func(c *node.Config) { c.MinPeers = 9 }, "min_peers: 9 is not in 0..8"},
		"negative min":     {func(c *node.Config) { c.MinPeers = -1 }, "min_peers: "},
		"peer":             {func(c *node.Config) { c.Peers = []node.PeerAddr{peer} }, ""},
		"peer zero":        {func(c *node.Config) { c.Peers = []node.PeerAddr{{ID: chain.PeerID{}, Addr: peer.Addr}} }, "peers[0].id: "},
		"peer self":        {func(c *node.Config) { c.Peers = []node.PeerAddr{{ID: testKey(1).Address(), Addr: peer.Addr}} }, "this node itself"},
		"peer twice":       {func(c *node.Config) { c.Peers = []node.PeerAddr{peer, peer} }, "peers[1].id: "},
		"peer port":        {func(c *node.Config) { c.Peers = []node.PeerAddr{{ID: peer.ID, Addr: "10.0.0.2:0"}} }, "peers[0].addr: "},
		"peer host":        {func(c *node.Config) { c.Peers = []node.PeerAddr{{ID: peer.ID, Addr: ":4001"}} }, "peers[0].addr: "},
		"no listen":        {func(c *node.Config) { c.Listen = "" }, "listen: host:port is missing"},
		"listen":           {func(c *node.Config) { c.Listen = "10.0.0.1" }, "listen: "},
		"listen port":      {func(c *node.Config) { c.Listen = "10.0.0.1:99999" }, "listen: "},
		"listen service":   {func(c *node.Config) { c.Listen = "10.0.0.1:http" }, "listen: "},
		"listen on all":    {func(c *node.Config) { c.Listen = ":4001" }, ""},
		"advertise":        {func(c *node.Config) { c.Advertise = ":4001" }, "advertise: "},
		"long advertise":   {func(c *node.Config) { c.Advertise = strings.Repeat("a", 70) + ":1" }, "advertise: "},
		"no api":           {func(c *node.Config) { c.API = "" }, "api: host:port is missing"},
		"no data":          {func(c *node.Config) { c.Data = "" }, "data: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, 1)
			tt.change(&c)
			err := validate(&c)
			if tt.want == "" {
				if err != nil {
					t.Errorf("error %v for a valid configuration", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q in it", err, tt.want)
			}
			if c.Key != "" && strings.Contains(err.Error(), c.Key) {
				t.Error("the error shows the key")
			}
			if err := run(t.Context(), c, nil, nil); err == nil || !strings.HasPrefix(err.Error(), "configuration: ") {
				t.Errorf("run with it: %v", err)
			}
		})
	}
}

func TestRun_AddressInUse(t *testing.T) {
	n := startNode(t, testConfig(t, 1))
	c := testConfig(t, 2)
	c.Listen = n.addrs.peers
	if err := run(t.Context(), c, nil, nil); err == nil || !strings.Contains(err.Error(), "listen for peers on "+n.addrs.peers) {
		t.Errorf("peer address in use: %v", err)
	}
	c.Listen, c.API = "127.0.0.1:0", n.addrs.api
	if err := run(t.Context(), c, nil, nil); err == nil || !strings.Contains(err.Error(), "listen for the API on "+n.addrs.api) {
		t.Errorf("API address in use: %v", err)
	}
}
