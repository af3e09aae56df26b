package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain/native"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/orchestrator/runtime/sim"
	"github.com/netsplit/netsplit/testnets"
)

// simulated is a testnet in the simulator that commands open, as they open one in containers.
type simulated struct {
	*sim.Runtime
	t       *testing.T
	testnet *run.Testnet
	chain   *native.Chain

	mu      sync.Mutex
	layers  []faults.Layer
	version uint64
	states  map[faults.NodeID]string
	open    int // connections
	// broken makes calls of that name fail; inert makes ShapeIf do nothing.
	broken map[string]error
	inert  bool
}

func newSimulated(t *testing.T) *simulated {
	t.Helper()
	spec, err := testnets.Open(filepath.Join("testdata", "healthy.yaml"))
	must.Do(t, err)
	b := &simulated{Runtime: sim.New(sim.Options{Seed: 1}), t: t, states: map[faults.NodeID]string{}, broken: map[string]error{}}
	b.chain = native.New(b.Transport())
	b.testnet, err = run.Up(t.Context(), run.Options{ID: "healthy-1", Spec: spec, Runtime: b, Chain: b.chain, Dir: t.TempDir()})
	must.Do(t, err)
	for _, n := range b.testnet.Nodes() {
		b.states[n] = docker.NodeRunning
	}
	t.Cleanup(func() {
		if err := b.Runtime.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if b.open != 0 {
			t.Errorf("%d commands did not close the testnet", b.open)
		}
	})
	return b
}

// Do implements control.
func (b *simulated) Do(ctx context.Context, a faults.Action) error {
	if err := b.broken["Do"]; err != nil {
		return err
	}
	b.mu.Lock()
	b.states[a.Node] = map[faults.Verb]string{faults.Kill: docker.NodeExited, faults.Pause: docker.NodePaused}[a.Verb]
	b.mu.Unlock()
	return b.Runtime.Do(ctx, a)
}

// States implements control.
func (b *simulated) States(context.Context) (map[faults.NodeID]string, error) {
	return b.states, b.broken["States"]
}

// Layers implements control.
func (b *simulated) Layers(context.Context) ([]faults.Layer, uint64, error) {
	return b.layers, b.version, b.broken["Layers"]
}

// ShapeIf implements control.
func (b *simulated) ShapeIf(ctx context.Context, version uint64, layers []faults.Layer) (faults.Applied, error) {
	if version != b.version {
		return faults.Applied{}, errors.New("the faults were changed elsewhere")
	}
	b.version++
	b.layers = layers
	if b.inert {
		return faults.Applied{Engine: "none"}, b.broken["ShapeIf"]
	}
	applied, err := b.Shape(ctx, layers)
	return applied, errors.Join(err, b.broken["ShapeIf"])
}

// Detach implements control.
func (b *simulated) Detach() error {
	b.open--
	return nil
}

// pass lets virtual time pass.
func (b *simulated) pass(d time.Duration) {
	b.t.Helper()
	if err := b.Clock().Sleep(b.t.Context(), b.Clock().Now()+d); err != nil {
		b.t.Error(err)
	}
}

// netsplit runs a command line and returns what it prints, its errors after its output.
func (b *simulated) netsplit(code int, line string) string {
	b.t.Helper()
	var out, errs bytes.Buffer
	e := &env{stdout: &out, stderr: &errs, width: 120}
	open := func(context.Context, string) (*testnet, error) {
		b.open++
		return &testnet{b.testnet, b}, nil
	}
	if got := execute(b.t.Context(), e, open, append([]string{"netsplit"}, strings.Fields(line)...)); got != code {
		b.t.Errorf("netsplit %s: exit code %d, want %d\n%s%s", line, got, code, &out, &errs)
	}
	return out.String() + errs.String()
}

// want checks that a command's output matches all patterns.
func (b *simulated) want(code int, line string, patterns ...string) {
	b.t.Helper()
	got := b.netsplit(code, line)
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(got) {
			b.t.Errorf("netsplit %s: no match for %s in\n%s", line, p, got)
		}
	}
}

func TestCommands(t *testing.T) {
	b := newSimulated(t)
	b.pass(5 * time.Second)
	b.want(0, "status", `^ miner-1 +\d+ +…[0-9a-f]{12} +A +4 +\d+$`, `^healthy-1: 5 nodes, one chain$`)
	b.want(0, "fault ls", "^no fault is active$")

	b.want(0, "fault partition --halves ordered", `^partition-1: cut 2 nodes from 3 nodes, applied in `, `^ 12 +12 +12 cut +12 unreachable$`)
	b.pass(20 * time.Second)
	b.want(0, "status", `^ miner-1 .* A `, `^ full-2 .* B `, `^healthy-1: 5 nodes, 2 chains, faults on links: 1 \(netsplit fault ls\)$`)
	b.want(0, "fault latency --delay 100ms --between miner-3:full --for 1h", `^latency-1: `, `delay 100ms +0 unreachable, median delay 10[01]`)
	b.want(0, "fault ls", `^ partition-1 .* until healed$`, `^ latency-1 .* in \d+`)
	b.want(0, "fault heal latency-1", `^healed latency-1: `)
	b.want(0, "fault heal", `^healed partition-1: cut 2 nodes from 3 nodes$`)
	b.want(0, "fault heal", `^nothing to heal$`)
	b.pass(20 * time.Second)
	b.want(0, "status", `^healthy-1: 5 nodes, one chain$`)

	b.want(0, "fault kill miner-2", `^kill miner-2$`)
	b.want(0, "fault pause full", `^pause `)
	b.want(0, "status", `^ miner-2 +- +no answer +- +- +-$`)
	b.want(0, "fault ls", `^ miner-2 +down `, `^ full-1 +paused `)
	b.want(0, "fault heal", `^healed miner-2: start$`, `^healed full-1: resume$`)
	b.pass(5 * time.Second)
	b.want(0, "status", `^healthy-1: 5 nodes, one chain$`)
	b.want(0, "logs miner-1 -n 3", "^.")
}

func TestCommands_JSON(t *testing.T) {
	b := newSimulated(t)
	b.pass(3 * time.Second)
	var s testnetStatus
	if err := json.Unmarshal([]byte(b.netsplit(0, "status --json")), &s); err != nil || s.Chains != 1 || len(s.Nodes) != 5 {
		t.Errorf("status %+v, %v", s, err)
	}
	var layers []faults.Layer
	if err := json.Unmarshal([]byte(b.netsplit(0, "fault ls --json")), &layers); err != nil || len(layers) != 0 {
		t.Errorf("faults %+v, %v", layers, err)
	}
}

func TestCommands_UsageErrors(t *testing.T) {
	b := newSimulated(t)
	b.want(2, "fault partition --isolate miner-9", `^netsplit: .*miner-9`)
	b.want(2, "fault heal nothing", `^netsplit: no fault "nothing" is active$`)
	b.want(2, "logs miner-9", `^netsplit: testnet healthy-1 has no node "miner-9"$`, `^  hint: did you mean miner-1\?$`)
	b.want(2, "logs zebra", `^  hint: its nodes: miner-1, miner-2, miner-3, full-1, full-2$`)
	b.want(2, "tx send --from zebra --to miner-1 --amount 1", `has no node "zebra"`)
	b.want(2, "tx send --from miner-1 --to zebra --amount 1", `has no node "zebra"`)
	b.want(2, "tx send --from miner-1 --to full-1 --amount 1 --node zebra", `has no node "zebra"`)
	b.want(2, "tx send --from testdata/healthy.yaml --to full-1 --amount 1", `^netsplit: read wallet testdata/healthy.yaml: `)
}

func TestCommands_RuntimeErrors(t *testing.T) {
	gone := errors.New("the engine is gone")
	for _, c := range []struct{ call, line string }{
		{"Do", "fault kill miner-1"}, {"Layers", "fault partition"}, {"ShapeIf", "fault partition"}, {"Layers", "fault heal"},
		{"States", "fault heal"}, {"Layers", "fault ls"}, {"States", "fault ls"},
	} {
		b := newSimulated(t)
		b.broken[c.call] = gone
		b.want(3, c.line, "the engine is gone")
	}
	b := newSimulated(t)
	b.broken["Layers"] = gone
	b.want(0, "status", "one chain, faults not known: the engine is gone$")
}

func TestFault_WithoutEffectIsAnError(t *testing.T) {
	b := newSimulated(t)
	b.inert = true
	b.want(3, "fault partition --isolate miner-1", `^ 8 +8 +8 cut +0 unreachable$`, `^netsplit: the fault had no effect on 8 of 8 links$`)
}

func TestTxSend(t *testing.T) {
	b := newSimulated(t)
	wallet := filepath.Join(t.TempDir(), "alice.json")
	address := regexp.MustCompile(`[0-9a-f]{64}`).FindString(b.netsplit(0, "wallet new "+wallet))
	if address == "" {
		t.Fatal("no address")
	}
	b.want(0, "tx send --from miner-1 --to full-1 --amount 5", `^ [0-9a-f]{64} +miner-1 +pending$`)
	b.want(0, "tx send --from miner-1 --to "+wallet+" --amount 100", `pending$`)
	b.pass(10 * time.Second)
	b.want(0, "tx send --from "+wallet+" --to "+address+" --amount 5 --node full-1", `^ [0-9a-f]{64} +full-1 +pending$`)
	b.want(3, "tx send --from "+wallet+" --to full-1 --amount 100000", `^netsplit: .*refused`)

	// Virtual time passes while the command waits in real time.
	done := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				b.pass(100 * time.Millisecond)
			}
		}
	})
	b.want(0, "tx send --from miner-2 --to full-1 --amount 5 --wait", `^ [0-9a-f]{64} +miner-2 +included at height \d+$`)
	close(done)
	waiting.Wait()
	b.want(3, "tx send --from miner-2 --to full-1 --amount 5 --wait --timeout 1ms", `wait for transaction [0-9a-f]{64}: `, `netsplit fault ls$`)
}

func TestPickTestnet(t *testing.T) {
	nodes := []docker.NodeInfo{{State: docker.NodeRunning}}
	one := []docker.Testnet{{ID: "quickstart-1a", Nodes: nodes}}
	two := append(one, docker.Testnet{ID: "split-brain-2b", Nodes: nodes})
	left := append(one, docker.Testnet{ID: "crashed-3c"})
	for _, c := range []struct {
		all       []docker.Testnet
		id        string
		want      string
		hint, msg string
	}{
		{nil, "", "", "netsplit up --detach", "no testnet is running"},
		{nil, "x", "", "netsplit up --detach", "no testnet is running"},
		{one, "", "quickstart-1a", "", ""},
		{one, "quickstart-1a", "quickstart-1a", "", ""},
		{one, "zebra", "", "running: quickstart-1a", `no testnet "zebra" is running`},
		{two, "split-brain-2b", "split-brain-2b", "", ""},
		{two, "", "", "name one with --testnet: quickstart-1a, split-brain-2b", "2 testnets are running"},
		{left, "", "quickstart-1a", "", ""},
		{left, "crashed-3c", "crashed-3c", "", ""},
		{two, "split-brain-2", "", "did you mean split-brain-2b?", ""},
	} {
		got, err := pickTestnet(c.all, c.id)
		err = howToName(&ucli.Command{HelpName: "netsplit logs", Flags: []ucli.Flag{testnetFlag()}}, err)
		if got.ID != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q of %d: %q, %v", c.id, len(c.all), got.ID, err)
		}
		var exit *exitError
		if errors.As(err, &exit) && (exit.code != exitUsage || !strings.Contains(exit.hint, c.hint) || !strings.Contains(err.Error(), c.msg)) {
			t.Errorf("%q of %d: %v, hint %s", c.id, len(c.all), err, exit.hint)
		}
	}
	listed := listTestnets([]docker.Testnet{{ID: "a", Nodes: []docker.NodeInfo{{State: docker.NodeRunning}, {State: docker.NodePaused}}}})
	if got := fmt.Sprintf("%s %d of %d", listed[0].ID, listed[0].Running, listed[0].Nodes); got != "a 1 of 2" {
		t.Errorf("listed %s", got)
	}
}

func TestNodeTable(t *testing.T) {
	b := newSimulated(t)
	access := must.Get(b.testnet.Access(t.Context()))(t)
	_, rows := nodeTable(nodeRows(b.testnet, access))
	if len(rows) != 5 {
		t.Fatalf("%d rows", len(rows))
	}
	first, last := strings.Join(rows[0], " "), strings.Join(rows[4], " ")
	if !regexp.MustCompile(`^miner-1 miner 10\.\S+ 100/s 4 http://10\.\S+/v1/status$`).MatchString(first) {
		t.Errorf("first row: %s", first)
	}
	if !regexp.MustCompile(`^full-2 full 10\.\S+  4 http://10\.\S+/v1/status$`).MatchString(last) {
		t.Errorf("last row: %s", last)
	}
}

func TestOnChain_NodesThatMove(t *testing.T) {
	b := newSimulated(t)
	b.pass(5 * time.Second)
	b.netsplit(0, "fault partition --halves ordered")
	b.pass(20 * time.Second)
	net := &testnet{b.testnet, b}
	nodes := must.Get(net.poll(t.Context()))(t)
	one, other := &nodes[0], &nodes[4]
	if one.Height < other.Height {
		one, other = other, one
	}
	if same, err := net.onChain(t.Context(), one, other); same || err != nil {
		t.Errorf("two sides of a cut are on one chain: %v, %v", same, err)
	}
	stale := *one
	stale.Head = "of a chain that it left"
	if _, err := net.onChain(t.Context(), &stale, other); !errors.Is(err, errMoved) {
		t.Errorf("a node that moved: %v", err)
	}
	stale.Height += 1000
	if _, err := net.onChain(t.Context(), &stale, other); !errors.Is(err, errMoved) {
		t.Errorf("a node whose chain is shorter now: %v", err)
	}
}
