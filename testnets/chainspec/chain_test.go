package chainspec

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// parseExample decodes the example, with text replaced.
func parseExample(t testing.TB, oldnew ...string) *Chain {
	t.Helper()
	return must.Get(Parse("dir/c.yaml", []byte(strings.NewReplacer(oldnew...).Replace(exampleChain(t)))))(t)
}

// TestParse: every key of the example arrives in its field.
func TestParse(t *testing.T) {
	text := func(s string) Text { return Text{Source: s} }
	query := func(s string) Query { return Query{Source: s} }
	texts := func(s string) *Text { return &Text{Source: s} }
	ptr := func(s string) *Query { return &Query{Source: s} }
	tx := text("{{.From.Name}} {{.To.Name}} {{.Amount}} {{.Nonce}}")
	refs := func(names ...string) (out []CallRef) {
		for _, name := range names {
			out = append(out, CallRef{Name: name})
		}
		return out
	}
	want := &Chain{
		File: "dir/c.yaml", Source: []byte(exampleChain(t)), Name: "example",
		Description: "A chain that does not exist; every key of a chain file is in it.",
		Image:       ImageSpec{Go: "example.org/chain/cmd/node@v1.2.3", LDFlags: "-s"},
		Keys:        map[string]KeyKind{"node": KeyEd25519, "account": KeySecp256k1, "salt": KeyRandom},
		KeyNames:    []string{"node", "account", "salt"},
		Prepare: []Step{{
			Run:     []Text{text("genesis"), text("--time={{.Start.Unix}}"), text("--out"), text("/out/genesis.json")},
			Files:   []File{{Path: "/seed", Text: text("{{.Seed}}")}},
			Capture: []Capture{{Name: "genesis", File: "/out/genesis.json", Public: true}, {Name: "id", File: "/out/genesis.json", JQ: ptr(".id")}},
		}, {
			Run: []Text{text("enrol"), text("{{.captured.id}}"), text("{{.Node.Name}}")}, EachNode: true,
			Capture: []Capture{{Name: "token", Stdout: true, Match: &Pattern{Source: "token ([a-z]+)"}}}, Keep: []string{"/data"},
		}},
		Start: Start{
			Args: []Arg{{Text: text("--port={{.Ports.p2p}}")}, {For: ForPeers, Text: text("--peer={{.Peer.Name}}:{{.Ports.p2p}}")}},
			Env:  []Text{text("HOME=/data")},
			Files: []File{{Path: "/genesis.json", Text: text("{{.captured.genesis}}")}, {Path: "/node.toml", Text: text(
				"# of {{.Node.Name}}\ntoken = {{quote .Node.captured.token}}\n  key = \"{{.Node.Keys.node.PrivateHex}}\"\n" +
					"peers = [{{range $i, $p := .Node.Peers}}{{if $i}}, {{end}}{{quote $p.Keys.node.AddressHex}}{{end}}]\n")}},
		},
		Ports: map[string]int{"p2p": 7000, "rpc": 7001},
		Ready: &Ready{Calls: refs("status"), JQ: query(".ready")},
		Peers: Peers{Calls: refs("add_peer")},
		RPC: RPC{Kind: JSONRPC2, Port: "rpc", Path: "/rpc", SelfSigned: true,
			Basic: &Basic{User: text("admin"), Password: text("correct-horse")}},
		Observe: Observe{
			Height: Observation{Calls: refs("status"), JQ: query(".height")},
			Head:   Observation{Calls: refs("status"), JQ: query(".hash")},
			Block: BlockObservation{Calls: refs("hash_at", "block"), Hash: query(".hash"), Parent: query(".parent"),
				Time: query(".time"), Proposer: ptr(".by"), Txs: ptr(".txs")},
			Finalized: &Observation{Calls: refs("status"), JQ: query(".final")},
			Peers:     &Observation{Calls: refs("status"), JQ: query(".peers")},
			Arrival: &Arrival{Websocket: &WebsocketArrival{Port: "p2p", Path: "/ws", Send: []Text{text(`{"subscribe":"{{.Node.Name}}"}`)},
				Hash: ptr(".block"), Height: ptr(".number")}},
			Every: 200 * time.Millisecond,
		},
		Act: Act{Submit: &Action{Calls: refs("send"), JQ: ptr(".id")}, Tx: &tx, MakeBlock: &BlockAction{Calls: refs("generate")},
			Leader: &Observation{Calls: refs("status"), JQ: query(".next")}},
		Facts: Facts{Family: FamilyPoW, Quorum: 0.5, ForkDepth: 6, BlockInterval: 2 * time.Second, Votes: VotesEqual, MaxProducers: 5},
		Wallet: &Wallet{ChainID: texts("{{.Network}}"), Account: texts("0x{{.Node.Keys.account.AddressHex}}"),
			PrivateKey: texts("{{.Node.Keys.account.PrivateHex}}"), Funds: texts("1000")},
	}
	got := parseExample(t)
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Text{}, Query{}, Pattern{}), cmpopts.IgnoreTypes(strictyaml.Pos{}),
		cmpopts.IgnoreFields(Chain{}, "Calls")); d != "" {
		t.Error(d)
	}
	if len(got.Calls) != 6 || got.Calls["status"].Method != "status" || got.Calls["status"].Params != nil {
		t.Errorf("%+v", got.Calls)
	}
}

// TestParse_Defaults: what a file leaves out.
func TestParse_Defaults(t *testing.T) {
	c := parseExample(t, "  every: 200ms\n", "", "port: rpc, path: /rpc, tls: self-signed, ", "", "peers: {call: add_peer}", "peers: topology",
		"ready: {call: status, jq: .ready}\n", "", ", block_interval: 2s, votes: equal, max_producers: 5", "", "quorum: 1/2", "quorum: 0.25")
	if c.Observe.Every != 100*time.Millisecond || c.RPC.Port != "rpc" || c.RPC.Path != "/" || c.RPC.SelfSigned ||
		len(c.Peers.Calls) != 0 || c.Ready != nil || c.Facts.BlockInterval != 0 || c.Facts.Quorum != 0.25 {
		t.Errorf("%+v %+v %+v %+v", c.RPC, c.Observe, c.Peers, c.Facts)
	}
	c = parseExample(t, "kind: jsonrpc2", "kind: jsonrpc1", "basic: {user: admin, password: correct-horse}", `bearer: "{{.Node.Keys.salt.PrivateHex}}"`)
	if c.RPC.Kind != JSONRPC1 || c.RPC.Bearer == nil || c.RPC.Basic != nil {
		t.Errorf("%+v", c.RPC)
	}
}

// TestParse_Sysctls: settings are kept as they are written, numbers too.
func TestParse_Sysctls(t *testing.T) {
	c := parseExample(t, `env: ["HOME=/data"]`, "sysctls: {net.ipv4.tcp_retries2: 6, net.ipv4.tcp_rmem: 4096 8192 16384}")
	want := Sysctls{"net.ipv4.tcp_retries2": "6", "net.ipv4.tcp_rmem": "4096 8192 16384"}
	if d := cmp.Diff(want, c.Start.Sysctls); d != "" {
		t.Error(d)
	}
}

func TestParse_Memory(t *testing.T) {
	for text, want := range map[string]Memory{"16MiB": 16 << 20, "512MiB": 512 << 20, "2GiB": 2 << 30, "1024GiB": 1 << 40} {
		must.Equal(t, want, parseExample(t, `env: ["HOME=/data"]`, "memory: "+text).Start.Memory)
	}
	must.Equal(t, Memory(0), parseExample(t, `env: ["HOME=/data"]`, "env: []").Start.Memory)
}

// TestParse_RelativePaths: paths begin where the file is.
func TestParse_RelativePaths(t *testing.T) {
	image := "go: example.org/chain/cmd/node@v1.2.3, ldflags: -s"
	for given, want := range map[string]ImageSpec{
		"binary: bin/node":         {Binary: "dir/bin/node"},
		"binary: /bin/node":        {Binary: "/bin/node"},
		"dockerfile: ./Dockerfile": {Dockerfile: "dir/Dockerfile"},
		"ref: example.org/a:b":     {Ref: "example.org/a:b"},
	} {
		got := parseExample(t, image, given).Image
		if got.Pos = (strictyaml.Pos{}); got != want {
			t.Errorf("%s: %+v", given, got)
		}
	}
}

// TestChain_ErrorAt: mistakes found later have their place, and no secret.
func TestChain_ErrorAt(t *testing.T) {
	err := parseExample(t).ErrorAt(strictyaml.Pos{Line: 30, Column: 1}, "no answer", "look at the log")
	want := `dir/c.yaml:30:1: no answer
  30 | rpc: {kind: jsonrpc2, port: rpc, path: /rpc, tls: self-signed, basic: {user: admin, password: ******
     | ^
  hint: look at the log`
	if err.Error() != want {
		t.Error(err)
	}
}

func TestHideSecrets(t *testing.T) {
	for src, want := range map[string]string{
		"password: hunter2":              "password: *******",
		"password:\n  hunter2\nx: y":     "password:\n  *******\nx: y",
		"password: |\n  hunter2\nx: y":   "password: |\n  *******\nx: y",
		`"pasword": "hunter 2", user: a`: `"pasword": "****** *", user: a`,
		"bearer: 'hunter2' # x":          "bearer: '*******' # x",
		"basic: hunter2":                 "basic: *******",
		"basic: {user: a, password: b}":  "basic: {user: a, password: *}",
		"basic:\n  user: a":              "basic:\n  user: a",
		`password: "{{.Seed}}"`:          `password: "{{.Seed}}"`,
		"bearer: a\nPASSWD: b":           "bearer: *\nPASSWD: *",
		"private_key: 5KJvsngH":          "private_key: ********",
		"nothing: here":                  "nothing: here",
	} {
		if got := string(hideSecrets([]byte(src))); got != want {
			t.Errorf("%q: %q, want %q", src, got, want)
		}
	}
}

// TestParse_Limits: what is too big is refused.
func TestParse_Limits(t *testing.T) {
	example := exampleChain(t)
	for src, want := range map[string]string{
		strings.Repeat("#", strictyaml.MaxSize+1): "the file has more than 1048576 bytes",
		"name: \xff":            "the file is not UTF-8 text",
		"name: a\n---\nname: b": "a second document begins here; a chain file is one document",
		strings.Replace(example, "prepare:\n", "prepare:\n"+strings.Repeat("  - run: [a]\n", 99), 1): "prepare has more than 100 elements",
	} {
		if _, err := Parse("c.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 {
			t.Errorf("got %.300v, want %s", err, want)
		}
	}
}

// TestParse_ManyMistakes: mistakes beyond those that are reported cost little, since they have no excerpt.
func TestParse_ManyMistakes(t *testing.T) {
	example := exampleChain(t)
	many := func(s string) string { return strings.Repeat(s, 500) }
	for name, src := range map[string]string{
		"templates":           strings.Replace(example, `"HOME=/data"`, many(`"{{x}}",`)+"A=", 1),
		"keys":                strings.Replace(example, "node: ed25519", many("x-: 1,")+"node: ed25519", 1),
		"names in one text":   strings.Replace(example, "HOME=/data", "A="+many("{{.X}}"), 1),
		"names in many texts": strings.Replace(example, `"HOME=/data"`, many(`"A={{.X}}",`)+"A=", 1),
		"calls":               strings.Replace(example, "call: [hash_at, block]", "call: ["+many("hash, ")+"block]", 1),
	} {
		_, err := Parse("c.yaml", []byte(src))
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		last := err.Error()[strings.LastIndex(err.Error(), "\n")+1:]
		if !strings.HasPrefix(last, "c.yaml: ") || !strings.HasSuffix(last, " more mistakes") || len(err.Error()) > 10_000 {
			t.Errorf("%s: %s", name, last)
		}
	}
}

// TestParse_EnvAsMapping: an environment can be a mapping of names to values.
func TestParse_EnvAsMapping(t *testing.T) {
	c := parseExample(t, `env: ["HOME=/data"]`, "env: {HOME: /data, NAME: \"{{.Node.Name}}\", LIMIT: 5}")
	var got []string
	for _, text := range c.Start.Env {
		s := must.Get(text.Render(map[string]any{"Node": map[string]any{"Name": "a"}}))(t)
		got = append(got, s)
	}
	if d := cmp.Diff([]string{"HOME=/data", "NAME=a", "LIMIT=5"}, got); d != "" {
		t.Error(d)
	}
}

// FuzzParse: whatever the file says, Parse returns, and what it accepts can be used.
func FuzzParse(f *testing.F) {
	example := exampleChain(f)
	f.Add([]byte(example))
	ready, err := filepath.Glob("../chains/*.yaml")
	if err != nil || len(ready) == 0 {
		f.Fatalf("no ready chains: %v", err)
	}
	for _, name := range ready {
		src := must.Get(os.ReadFile(name))(f)
		f.Add(src)
	}
	for _, oldnew := range [][2]string{
		{"{{.Seed}}", "{{range .Nodes}}{{template \"t\"}}"}, {"{{.Seed}}", "{{(index .Nodes 0).Name.X}}{{$.A.B}}{{.}}{{nil}}"},
		{"jq: .id", "jq: 'def f: f; f'"}, {"jq: .id", "jq: '[limit(3; repeat(1))]'"}, {"jq: .id", "jq: \"\\x00\""}, {"HOME=/data", "\xff"},
		{"- --port={{.Ports.p2p}}", "- "}, {"- --port={{.Ports.p2p}}", "- |+\n\n   {{"}, {"quorum: 1/2", "quorum: 1/2/3"},
	} {
		f.Add([]byte(strings.Replace(example, oldnew[0], oldnew[1], 1)))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse("f.yaml", src)
		if err != nil {
			var e *strictyaml.Error
			if !errors.As(err, &e) || err.Error() == "" {
				t.Fatalf("%v is no *strictyaml.Error", err)
			}
			return
		}
		if again, err := Parse("f.yaml", c.Source); err != nil || !bytes.Equal(again.Source, src) {
			t.Fatalf("accepted once, then: %v", err)
		}
		for _, a := range c.Start.Args {
			if _, err := a.Text.Render(map[string]any{}); err != nil && !errors.As(err, new(*strictyaml.Error)) {
				t.Fatal(err)
			}
		}
		for _, call := range c.Calls {
			if call.Params != nil {
				if _, err := call.Params.Render(map[string]any{}); err != nil && !errors.As(err, new(*strictyaml.Error)) {
					t.Fatal(err)
				}
			}
		}
		if _, err := c.Observe.Height.JQ.Run(t.Context(), map[string]any{"height": 1}); err != nil && !errors.As(err, new(*strictyaml.Error)) {
			t.Fatal(err)
		}
	})
}

func TestCheckLinkerFlags(t *testing.T) {
	for _, ok := range []string{
		"", " ", "-s", "-s -w", "-checklinkname=0", "-X main.version=v1", "-X=main.version=v1", `-w -X "main.text=two words"`,
		`-X 'example.org/a-b/c.Version=-o=x' -s`, "-buildid=", "-buildid=abc -compressdwarf=false", "-s=true\n-w\t",
		"-X main.v=-cpuprofile=/tmp/x",
	} {
		if err := checkLinkerFlags(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{
		"-o /tmp/x", "-o=/tmp/x", "-cpuprofile=/tmp/x", "-s -cpuprofile=/tmp/x", "--s", "-X", "-X -o", "-X -o=x", "-X main.v=1 -o x",
		"main=-s", "std=-o=/tmp/x", "'-s'", `"-o" "/tmp/x"`, "-s 'x", "-s x", "-extldflags=-o/tmp/x", "-extld=/tmp/x", "-linkmode=external",
		"-memprofile=x", "-dumpdep", "-tmpdir=/tmp", "-L /tmp", "-r /tmp", "-I /tmp/ld.so", "-capturehostobjs=/tmp", "-benchmark=mem",
		"-benchmarkprofile=x", "-importcfg=/etc/passwd", "-s=/x", "-checklinkname=/x", "-installsuffix=../x", "@/etc/passwd", "-s\x00-o",
		"-pluginpath=x", "-X=x", "-plugin", "-flags",
	} {
		if err := checkLinkerFlags(bad); err == nil {
			t.Errorf("%q is allowed", bad)
		}
	}
}
