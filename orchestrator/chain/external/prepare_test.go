package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/testnets"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// stepped has every way to prepare and start a node.
const stepped = `
name: stepped
description: A chain for tests.
image: {go: example.org/chain/cmd/node@v1.2.3, ldflags: -s}
keys: {node: ed25519, account: secp256k1, salt: random}
prepare:
  - run: [genesis, "--time={{.Start.Unix}}", "--makers={{range .Producers}}{{.Keys.account.AddressHex}},{{end}}"]
    files: {/seed: "{{.Seed}}"}
    capture:
      genesis: {file: /out/genesis.json}
      id: {file: /out/genesis.json, jq: .id}
  - run: [enrol, "{{.captured.id}}", "{{.Node.Name}}", "{{.Node.Keys.node.PrivateHex}}"]
    each: node
    capture: {token: {stdout: true, match: "(?m)^secret: (.*)$"}}
    keep: [/data, /etc/one]
  - run: [seal, "{{.Node.captured.token}}"]
    each: node
    files: {/data/old: "{{.Node.Name}} writes it again"}
    capture: {count: {stdout: true, jq: .n}}
start:
  args:
    - --p2p={{.Ports.p2p}}
    - {for: peers, arg: "--peer={{.Peer.Name}}@{{.Peer.Addr}}:{{.Ports.p2p}}"}
    - {for: nodes, arg: "--node={{.Peer.Index}}/{{.Node.Index}}"}
    - {for: producers, arg: "--maker={{.Peer.Keys.account.AddressHex}}"}
    - --mine={{.Node.Produces}}
  env: ["TOKEN={{.Node.captured.token}}", "COUNT={{.Node.captured.count}}"]
  files:
    /genesis.json: "{{.captured.genesis}}"
    /etc/one: "{{.Network}} {{.BlockInterval}} {{.Node.Mine}} {{.Node.Role}}"
ports: {p2p: 7000, rpc: 7001}
rpc: {kind: jsonrpc2, basic: {user: admin, password: "pw-{{.Node.Keys.salt.PrivateHex}}"}}
calls: {status: {method: status}}
observe:
  height: {call: status, jq: .height}
  head: {call: status, jq: .hash}
  block: {call: status, hash: .hash, parent: .parent, time: .time}
  every: 200ms
facts: {family: bft, quorum: 2/3, fork_depth: 0, block_interval: 5s}
`

// containers fakes what a runtime does, and remembers it.
type containers struct {
	mu       sync.Mutex
	source   runtime.ImageSource
	commands []runtime.Command
	running  atomic.Int32
	most     int32
	gate     chan struct{} // if not nil, every enrol waits for it
	entered  chan struct{} // and says so first
	imgErr   error
	run      func(runtime.Command) (runtime.CommandResult, error)
}

func (f *containers) BuildImage(_ context.Context, s runtime.ImageSource, progress func(string)) (string, error) {
	f.source = s
	progress("building")
	return "sha256:1", f.imgErr
}

func (f *containers) RunCommand(ctx context.Context, o runtime.Command) (runtime.CommandResult, error) {
	f.mu.Lock()
	f.commands = append(f.commands, o)
	f.most = max(f.most, f.running.Add(1))
	f.mu.Unlock()
	defer f.running.Add(-1)
	if f.gate != nil && o.Args[0] == "enrol" {
		f.entered <- struct{}{}
		select {
		case <-f.gate:
		case <-ctx.Done():
			return runtime.CommandResult{}, ctx.Err()
		}
	}
	if f.run != nil {
		return f.run(o)
	}
	return tooling(o)
}

// tooling is what the steps of stepped do.
func tooling(o runtime.Command) (r runtime.CommandResult, err error) {
	switch o.Args[0] {
	case "genesis":
		r.Files = map[string][]byte{"/out/genesis.json": []byte(`{"id": 12345678901234567890, "seed": ` + string(o.Files["/seed"]) + `}`)}
	case "enrol":
		r.Stdout = []byte("welcome\nsecret: token of " + o.Args[2] + "\nuse it well\n")
		r.Files = map[string][]byte{"/data/db/1": []byte("db " + o.Args[2]), "/data/old": []byte("old"), "/etc/one": []byte("x")}
	case "seal":
		r.Stdout = fmt.Appendf(nil, `{"n": %d}`, len(o.Files))
	}
	return r, nil
}

// describe writes a preparation as text.
func describe(f *containers, p chain.Prepared) string {
	var b strings.Builder
	fmt.Fprintf(&b, "image %+v\nfacts %+v\n", f.source, p.Facts)
	commands := slices.Clone(f.commands)
	slices.SortStableFunc(commands, func(a, b runtime.Command) int { return strings.Compare(fmt.Sprint(a.Args), fmt.Sprint(b.Args)) })
	list := func(files map[string][]byte) {
		for _, path := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(&b, "  %s: %s\n", path, files[path])
		}
	}
	for _, o := range commands {
		fmt.Fprintf(&b, "once %s %q, bring %v\n", o.Image, o.Args, o.Collect)
		list(o.Files)
	}
	for _, n := range p.Nodes {
		fmt.Fprintf(&b, "node %s %q %q account %s\n", n.Image, n.Args, n.Env, n.Account)
		list(n.Files)
	}
	return b.String()
}

func TestPrepare(t *testing.T) {
	prepare := func(seed uint64) string {
		f := &containers{}
		var said []string
		var mu sync.Mutex
		c := New(parse(t, stepped), f, nil, func(s string) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, s)
		})
		net := ring(3)
		net.Seed = seed
		p := must.Get(c.Prepare(t.Context(), net))(t)
		if len(said) != 4 || said[0] != "building" || said[3] != "preparing chain stepped: step 3 of 3 for 3 nodes" {
			t.Errorf("it said %q", said)
		}
		return describe(f, p)
	}
	got := prepare(7)
	golden(t, "testdata/prepare.txt", got)
	must.Equal(t, got, prepare(7))
	if got == prepare(8) {
		t.Error("two seeds gave the same")
	}
}

// TestPrepare_KeepFilesOfOneStep: what a step that runs once keeps is every node's, for later steps too; what a later step keeps for a node is
// that node's alone.
func TestPrepare_KeepFilesOfOneStep(t *testing.T) {
	f := &containers{}
	c := New(parse(t, stepped, "    files: {/seed: \"{{.Seed}}\"}", "    files: {/seed: \"{{.Seed}}\"}\n    keep: [/out]",
		"  - run: [enrol", "  - run: [again]\n  - run: [enrol"), f, nil, nil)
	p := must.Get(c.Prepare(t.Context(), ring(3)))(t)
	const kept, own = "/out/genesis.json", "/data/db/1"
	for _, o := range f.commands {
		if _, has := o.Files[kept]; has != (o.Args[0] != "genesis") {
			t.Errorf("step %s has %s: %v", o.Args[0], kept, has)
		}
	}
	for i, n := range p.Nodes {
		want := "db " + string(ring(3).Nodes[i].ID)
		if len(n.Files[kept]) == 0 || string(n.Files[own]) != want {
			t.Errorf("node %d: %s is %q, %s is %q", i, kept, n.Files[kept], own, n.Files[own])
		}
	}
	f = &containers{run: func(runtime.Command) (r runtime.CommandResult, err error) { return r, nil }}
	c = New(parse(t, stepped, "    files: {/seed: \"{{.Seed}}\"}\n    capture:\n      genesis: {file: /out/genesis.json}\n      id: {file: /out/genesis.json, jq: .id}", "    keep: [/out]\n    capture: {genesis: {stdout: true}, id: {stdout: true}}"), f, nil, nil)
	must.Fail(t, "keep /out: the command left no file there")(c.Prepare(t.Context(), ring(3)))
}

// golden compares a text with a file, which NETSPLIT_GOLDEN=write makes anew.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("NETSPLIT_GOLDEN") == "write" {
		must.Do(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want := must.Get(os.ReadFile(path))(t)
	must.Equal(t, string(want), got)
}

func TestPrepare_RunsStepsInParallel(t *testing.T) {
	const nodes = 12
	f := &containers{gate: make(chan struct{}), entered: make(chan struct{}, nodes)}
	go func() {
		for range maxSteps {
			<-f.entered
		}
		close(f.gate)
	}()
	must.Get(New(parse(t, stepped), f, nil, nil).Prepare(t.Context(), ring(nodes)))(t)
	if f.most != maxSteps {
		t.Errorf("%d at once", f.most)
	}
}

func TestPrepare_Errors(t *testing.T) {
	boom := errors.New("boom")
	result := func(of string, r runtime.CommandResult, err error) func(runtime.Command) (runtime.CommandResult, error) {
		return func(o runtime.Command) (runtime.CommandResult, error) {
			if o.Args[0] == of && (len(o.Args) < 3 || o.Args[2] == "b" || of == "genesis") {
				return r, err
			}
			return tooling(o)
		}
	}
	files := func(kv ...string) runtime.CommandResult {
		r := runtime.CommandResult{Files: map[string][]byte{}}
		for i := 0; i < len(kv); i += 2 {
			r.Files[kv[i]] = []byte(kv[i+1])
		}
		return r
	}
	const first, second = "stepped.yaml:7:5: prepare step 1 of 3: ", "stepped.yaml:12:5: prepare step 2 of 3, node b: "
	public := strings.NewReplacer("jq: .id}", "jq: .id, public: true}", `(.*)$"}`, `(.*)$", public: true}`).Replace(stepped)
	for _, c := range []struct {
		name string
		f    *containers
		want []string
	}{
		{"the image", &containers{imgErr: boom}, []string{"stepped.yaml:4:1: make the image of chain stepped: boom"}},
		{"a step", &containers{run: result("genesis", runtime.CommandResult{}, boom)}, []string{first + `run ["genesis" "--time=1700000000" "--makers=`, "boom"}},
		{"a step of one node", &containers{run: result("enrol", runtime.CommandResult{}, fmt.Errorf("exit 3\n    | last line"))},
			[]string{second + `run ["enrol" "12345678901234567890" "b" "`, `"]: exit 3`, "| last line"}},
		{"a file that is not there", &containers{run: result("genesis", runtime.CommandResult{}, nil)},
			[]string{first, "stepped.yaml:10:7: capture genesis: the command left no file /out/genesis.json"}},
		{"no JSON", &containers{run: result("genesis", files("/out/genesis.json", "sorry"), nil)},
			[]string{first, "capture id: stepped.yaml:11:7: what was captured is not JSON: ", "sorry"}},
		{"neither text nor number", &containers{run: result("genesis", files("/out/genesis.json", `{"id": [1]}`), nil)},
			[]string{first, "capture id: stepped.yaml:11:41: jq gave [1], which is neither text nor a number"}},
		{"jq that fails", &containers{run: result("genesis", files("/out/genesis.json", `[7]`), nil)},
			[]string{first, "capture id: ", "stepped.yaml:11:", "[7]"}},
		{"text without what is looked for", &containers{run: result("enrol", runtime.CommandResult{Stdout: []byte("no, sorry\n"), Files: files("/data/x", "", "/etc/one", "").Files}, nil)},
			[]string{second, "capture token: ", "stepped.yaml:14:44: match (?m)^secret: (.*)$: no match in the text", `the text was "no, sorry"`}},
		{"nothing to keep", &containers{run: result("enrol", runtime.CommandResult{Stdout: []byte("secret: x"), Files: files("/data2/x", "", "/etc/one", "").Files}, nil)},
			[]string{second + "keep /data: the command left no file there"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			chain := parse(t, public)
			chain.File = "stepped.yaml"
			_, err := New(chain, c.f, nil, nil).Prepare(t.Context(), ring(3))
			if err == nil {
				t.Fatal("no error")
			}
			text := strings.ReplaceAll(err.Error(), "toy.yaml", "stepped.yaml")
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in\n%s", want, text)
				}
			}
		})
	}
}

func TestPrepare_ErrorsBeforeAnyStep(t *testing.T) {
	must.Fail(t, errNoContainers)(New(parse(t, stepped), nil, nil, nil).Prepare(t.Context(), ring(2)))
	unknown := ring(2)
	unknown.Nodes[0].Peers = append(unknown.Nodes[0].Peers, "zoe")
	_, err := New(parse(t, stepped), &containers{}, nil, nil).Prepare(t.Context(), unknown)
	must.Fail(t, "peers of node a: chain stepped has no node zoe")(err)
	file := parse(t, stepped)
	file.Keys["salt"] = "rsa"
	_, err = New(file, &containers{}, nil, nil).Prepare(t.Context(), ring(2))
	must.Fail(t, `keys of node a: key salt: unknown kind "rsa"`)(err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := &containers{}
	if _, err = New(parse(t, stepped), f, nil, nil).Prepare(ctx, ring(2)); !errors.Is(err, context.Canceled) || len(f.commands) > 0 {
		t.Errorf("after the end: %v, %d commands", err, len(f.commands))
	}
}

// TestPrepare_TemplateErrors: each place where a text is used says where it stands and never shows a key.
func TestPrepare_TemplateErrors(t *testing.T) {
	const bad = `{{(index .Nodes 99).Name}}{{.Node.Keys.salt.PrivateHex}}`
	for name, replace := range map[string][]string{
		"argument of a step": {`"{{.captured.id}}"`, `"` + bad + `"`},
		"file of a step":     {`"{{.Node.Name}} writes it again"`, `"` + bad + `"`},
		"argument":           {"- --p2p={{.Ports.p2p}}", `- "` + bad + `"`},
		"argument for peers": {"--peer={{.Peer.Name}}@", bad},
		"environment":        {"TOKEN={{.Node.captured.token}}", "X=" + bad},
		"file":               {`"{{.captured.genesis}}"`, `"` + bad + `"`},
		"user":               {"user: admin", `user: "` + bad + `"`},
		"password":           {`"pw-{{.Node.Keys.salt.PrivateHex}}"`, `"` + bad + `"`},
		"bearer":             {`basic: {user: admin, password: "pw-{{.Node.Keys.salt.PrivateHex}}"}`, `bearer: "` + bad + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(parse(t, stepped, replace...), &containers{}, nil, nil).Prepare(t.Context(), ring(2))
			var at *strictyaml.Error
			if !errors.As(err, &at) || at.Pos.Line == 0 || !strings.Contains(err.Error(), "index out of range") {
				t.Errorf("%v", err)
			}
		})
	}
	file := parse(t, stepped)
	file.Start.Args[1].For = "kings"
	_, err := New(file, &containers{}, nil, nil).Prepare(t.Context(), ring(2))
	must.Fail(t, `an argument for "kings", which is none of peers, nodes and producers`)(err)
}

func TestPrepare_WalletError(t *testing.T) {
	c := New(parse(t, plain+inWallets, "0x{{.Node.Keys.account.PrivateHex}}", "{{.Node.Keys.salt.AddressHex}}"), image{}, nil, nil)
	_, err := c.Prepare(t.Context(), ring(1))
	must.Fail(t, "node a: wallet: toy.yaml:")(err)
}

// TestPrepare_EmbeddedChains prepares the chain files that netsplit comes with.
func TestPrepare_EmbeddedChains(t *testing.T) {
	for _, e := range testnets.Chains() {
		t.Run(e.Name, func(t *testing.T) {
			file := must.Get(testnets.OpenChain(e.Name))(t)
			f := &containers{run: func(o runtime.Command) (runtime.CommandResult, error) {
				r := runtime.CommandResult{Files: make(map[string][]byte)}
				for _, path := range o.Collect {
					r.Files[path+"/x"] = []byte("x")
				}
				return r, nil
			}}
			p := must.Get(New(file, f, nil, nil).Prepare(t.Context(), ring(4)))(t)
			for i, n := range p.Nodes {
				if n.Image != "sha256:1" || len(n.Args) == 0 {
					t.Errorf("node %d: %+v", i, n)
				}
			}
		})
	}
}
