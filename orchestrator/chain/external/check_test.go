package external

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/testnets/chainspec"
)

// ticker is a Clock that passes as fast as it is slept on; every is called after each sleep.
type ticker struct {
	now   time.Duration
	every func()
}

func (c *ticker) Now() time.Duration { return c.now }

// Epoch is that of the fake nodes' blocks.
func (c *ticker) Epoch() time.Time { return time.Unix(1_700_000_000, 0) }

func (c *ticker) Sleep(ctx context.Context, until time.Duration) error {
	c.now = max(c.now, until)
	if c.every != nil {
		c.every()
	}
	return ctx.Err()
}

// pair makes two fake nodes one network: blocks and transactions of the first are the second's.
func pair(w *harness) *ticker {
	return &ticker{every: func() {
		if len(w.fakes) > 1 {
			w.fakes[1].set(0, slices.Clone(w.fakes[0].chain)...)
		}
	}}
}

// included makes a fake node put what was sent to it into the next block that it reports.
func included(y *fakeNode) { y.takes = true }

// checked runs a check and returns its findings by row.
func checked(t *testing.T, w *harness, clock Clock) map[string]Finding {
	t.Helper()
	out := make(map[string]Finding)
	found := w.Check(t.Context(), clock, nil, CheckOptions{})
	for i, f := range found {
		if f.Name != checkRows[i].name {
			t.Errorf("row %d is %s, want %s", i, f.Name, checkRows[i].name)
		}
		if (f.Outcome == Failed) != (f.Problem != nil) {
			t.Errorf("%s: %+v", f.Name, f)
		}
		if f.Outcome == Works && f.Value == "" || (f.Outcome == Absent || f.Outcome == Skipped) && f.Note == "" {
			t.Errorf("%s says nothing: %+v", f.Name, f)
		}
		out[f.Name] = f
	}
	return out
}

func TestCheck(t *testing.T) {
	for n := 1; n <= 2; n++ {
		w := newHarness(t, n, parse(t, plain))
		included(w.fakes[0])
		if n == 2 {
			included(w.fakes[1])
		}
		found := checked(t, w, pair(w))
		for _, row := range checkRows {
			want := Works
			switch {
			case row.name == nameReady || row.name == nameFinalized || row.name == nameFirst || row.name == nameWarm || row.name == nameGenesis ||
				row.name == nameArrival || row.name == nameLeader:
				want = Absent
			case row.pair && n == 1:
				want = Skipped
			}
			if f := found[row.name]; f.Outcome != want {
				t.Errorf("%d nodes: %s is %s, want %s: %+v %+v", n, row.name, f.Outcome, want, f, f.Problem)
			}
		}
		if got := found[rowGrows].Value; got != "on command only" {
			t.Errorf("the chain grows %s", got)
		}
	}
}

// TestCheck_HasRowForEveryField fails when something can be observed or done that a check has no row for.
func TestCheck_HasRowForEveryField(t *testing.T) {
	elsewhere := []string{ // no observation or action by itself, or made of what is below
		"File", "Source", "Name", "Description", "Image", "Keys", "KeyNames", "Prepare", "Start", "Ports", "RPC", "Calls", "Observe",
		"Act", "Facts", "Wallet", "Every", "Pos", "Block", "ByHash", "Tx", "Coins",
	}
	var rows []string
	for _, r := range checkRows {
		rows = append(rows, strings.NewReplacer("_", "", ".", "").Replace(r.name))
	}
	for prefix, of := range map[string]any{
		"": chainspec.Chain{}, "observe": chainspec.Observe{}, "observeblock": chainspec.BlockObservation{}, "act": chainspec.Act{},
	} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(of)) {
			if !slices.Contains(elsewhere, field.Name) && !slices.Contains(rows, prefix+strings.ToLower(field.Name)) {
				t.Errorf("%T.%s can be in a chain file, and `chain check` has no row for it: add one to checkRows", of, field.Name)
			}
		}
	}
}

// TestCheck_Failures gives each row a chain file or a node with which it fails.
func TestCheck_Failures(t *testing.T) {
	block := "block: {call: block, hash: .hash, parent: .parent, time: .time, proposer: .by, txs: .txs}"
	for name, x := range map[string]struct {
		file  []string // replacements in plain
		nodes func(a, b *fakeNode)
		row   string
		want  string // in the problem
		jq    string
	}{
		"ready never":        {file: []string{"calls:\n", "ready: {call: peers, jq: . > 5}\ncalls:\n"}, row: nameReady, want: "gives false, which is not true", jq: ". > 5"},
		"height is null":     {file: []string{"height: {call: height, jq: .}", "height: {call: height, jq: .x?}"}, row: nameHeight, want: "gives nothing"},
		"head is a number":   {file: []string{"head: {call: head, jq: .}", "head: {call: head, jq: length}"}, row: nameHead, want: "which is not a hash", jq: "length"},
		"an RPC error":       {nodes: func(a, _ *fakeNode) { a.hook = failing("height", -28) }, row: nameHeight, want: "error -28"},
		"no such method":     {file: []string{"{method: peers}", "{method: piers}"}, row: namePeers, want: "error -32601"},
		"hash":               {file: []string{block, strings.Replace(block, ".hash", ".hush", 1)}, row: nameHash, want: "gives null, which is not a hash", jq: ".hush"},
		"parent":             {file: []string{block, strings.Replace(block, ".parent", ".time", 1)}, row: nameParent, want: "which is not a hash"},
		"time":               {file: []string{block, strings.Replace(block, "time: .time", "time: .hash", 1)}, row: nameTime, want: "which is not unix seconds"},
		"proposer":           {file: []string{block, strings.Replace(block, ".by", ".time", 1)}, row: nameProposer, want: "which is not text"},
		"txs":                {file: []string{block, strings.Replace(block, "txs: .txs", "txs: .hash", 1)}, row: nameTxs, want: "not a list of texts", jq: ".hash"},
		"finalized":          {file: []string{"peers: {call: peers, jq: .}", "peers: {call: peers, jq: .}\n  finalized: {call: height, jq: . + 9}"}, row: nameFinalized, want: "its head is at"},
		"genesis is null":    {file: []string{"peers: {call: peers, jq: .}", "peers: {call: peers, jq: .}\n  genesis: {call: height, jq: .x?}"}, row: nameGenesis, want: "gives nothing"},
		"genesis is nothing": {file: []string{"peers: {call: peers, jq: .}", "peers: {call: peers, jq: .}\n  genesis: {call: height, jq: 'null'}"}, row: nameGenesis, want: "which is not a value that identifies the network"},
		"warm-up":            {file: []string{"calls:\n", "warm_up: [{call: generate}, {call: melt}]\ncalls:\n  melt: {method: melt}\n"}, nodes: func(a, b *fakeNode) { spreading(a, b) }, row: nameWarm, want: "warm_up, step 2 of 2: node a, call melt"},
		"no coins":           {file: []string{`tx: "{{.From.Name}} {{.To.Name}} {{.Amount}} {{.Nonce}}"`, "coins: {key: account, call: coins, jq: .}", "calls:\n", "calls:\n  coins: {method: coins}\n"}, row: nameSubmit, want: "the node has no coin for it"},
		"two geneses":        {file: []string{"peers: {call: peers, jq: .}", "peers: {call: peers, jq: .}\n  genesis: {call: head, jq: .}"}, nodes: func(_, b *fakeNode) { b.set(0, "other") }, row: nameGenesis, want: "it has another genesis"},
		"leader is a number": {file: []string{"  make_block:", "  leader: {call: height, jq: .}\n  make_block:"}, row: nameLeader, want: "which is not a node's name, or the address", jq: "."},
		"leader is no node":  {file: []string{"  make_block:", "  leader: {call: head, jq: .}\n  make_block:"}, row: nameLeader, want: "which is not a node's name, or the address", jq: "."},
		"leader is unknown":  {file: []string{"  make_block:", "  leader: {call: lead, jq: .}\n  make_block:", "calls:\n", "calls:\n  lead: {method: lead}\n"}, row: nameLeader, want: "error -32601"},
		"no peers":           {file: []string{"peers: {call: peers, jq: .}", "peers: {call: peers, jq: . - 2}"}, row: namePeers, want: "counts no peer"},
		"peers by call":      {file: []string{"calls:\n", "peers: {call: greet}\ncalls:\n  greet: {method: greet}\n"}, row: nameConnect, want: "error -32601"},
		"make_block":         {nodes: func(a, _ *fakeNode) { a.hook = failing("generate", -1) }, row: nameMake, want: "error -1"},
		"makes none":         {file: []string{"generate: {method: generate}", "generate: {method: peers}"}, row: nameMake, want: "node a replied 2 and made no block: its chain stayed at height 0"},
		"submit":             {file: []string{"jq: .id}", "jq: .no}"}, row: nameSubmit, want: "gives null, which is not a transaction's id", jq: ".no"},
		"submit to nobody":   {nodes: func(a, b *fakeNode) { a.takes, b.takes = false, false }, row: rowIncluded, want: "is in none of the blocks"},
		"another id":         {file: []string{"jq: .id}", "jq: .id + \"x\"}"}, row: rowIncluded, want: "they list"},
		"head is no hash":    {file: []string{"head: {call: head, jq: .}", "head: {call: head, jq: . + \"0\"}"}, row: rowSameHead, want: "toy.yaml:19:"},
		"parent of another":  {file: []string{block, strings.Replace(block, ".parent", ".hash", 1)}, row: rowLinked, want: "says that its parent is"},
		"lowest block": {nodes: func(a, b *fakeNode) {
			for _, y := range []*fakeNode{a, b} {
				y.hook = func(_ *fakeNode, method string, height int) *RPCError {
					if method == "block" && height == 1 {
						return &RPCError{Code: -5, Message: "pruned"}
					}
					return nil
				}
			}
		}, row: rowLowest, want: "block at height 1: node a, call block"},
		"old blocks":     {file: []string{block, strings.Replace(block, "time: .time", "time: .time / 1000", 1)}, row: rowClock, want: "the newest block is of 1970"},
		"stands still":   {file: []string{"  make_block: {call: generate}\n", ""}, row: rowGrows, want: "stays there"},
		"two networks":   {nodes: func(_, b *fakeNode) { b.chain = []string{"g", "other", "chain", "here", "x"} }, row: rowOneChain, want: "node a has block"},
		"finalized null": {file: []string{"peers: {call: peers, jq: .}", "peers: {call: peers, jq: .}\n  finalized: {call: stat, jq: .final}", "calls:\n", "calls:\n  stat: {method: status}\n"}, row: nameFinalized, want: "gives null, which is not a height", jq: ".final"},
		"first block":    {file: []string{"calls:\n", "first_block: {make: generate, give: greet}\ncalls:\n  greet: {method: greet, params: [\"{{.Last}}\"]}\n"}, row: nameFirst, want: "give the first block to b"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newHarness(t, 2, parse(t, plain, x.file...))
			clock := pair(w)
			for _, y := range w.fakes {
				included(y)
			}
			if x.nodes != nil {
				x.nodes(w.fakes[0], w.fakes[1])
			}
			if x.row == rowOneChain {
				clock.every = nil
			}
			f := checked(t, w, clock)[x.row]
			if f.Outcome != Failed || !strings.Contains(f.Problem.Text, x.want) {
				t.Fatalf("%s: %+v, %+v, want %q", x.row, f, f.Problem, x.want)
			}
			if x.jq != "" && (f.Problem.JQ != x.jq || f.Problem.Reply == "" || !strings.HasPrefix(f.Problem.At, "toy.yaml:")) {
				t.Errorf("%+v, want the jq %s, the reply and the place", f.Problem, x.jq)
			}
		})
	}
}

func TestCheck_OptionalParts(t *testing.T) {
	for name, x := range map[string]struct {
		file       []string
		row, value string
	}{
		"nothing final yet": {[]string{"peers: {call: peers, jq: .}", "peers: {call: peers, jq: .}\n  finalized: {call: height, jq: 'null'}"}, nameFinalized, "null: nothing yet"},
		"blocks by hash":    {[]string{`{method: block, params: ["{{int .Height}}"]}`, `{method: of, params: ["{{.Hash}}"]}`}, nameHash, ""},
		"peers by call":     {[]string{"calls:\n", "peers: {call: greet}\ncalls:\n  greet: {method: connect, params: [\"{{.Peer.Name}}\"]}\n"}, nameConnect, "done"},
		"who leads":         {[]string{"  make_block:", "  leader: {call: height, jq: '\"b\"'}\n  make_block:"}, nameLeader, "node b"},
		"ready":             {[]string{"calls:\n", "ready: {call: height, jq: . >= 0}\ncalls:\n"}, nameReady, "yes"},
		"warm-up":           {[]string{"calls:\n", "warm_up: [{call: generate}]\ncalls:\n"}, nameWarm, "to height 1"},
	} {
		w := newHarness(t, 2, parse(t, plain, x.file...))
		for _, y := range w.fakes {
			included(y)
		}
		if x.row == nameWarm {
			w.spread()
		}
		found := checked(t, w, pair(w))
		if f := found[x.row]; f.Outcome != Works || x.value != "" && f.Value != x.value {
			t.Errorf("%s: %+v, %+v", name, f, f.Problem)
		}
		for _, f := range found {
			if f.Outcome == Failed || f.Outcome == Skipped {
				t.Errorf("%s: %s is %s: %+v", name, f.Name, f.Outcome, f.Problem)
			}
		}
	}
}

func TestShownBy(t *testing.T) {
	all := map[string]Outcome{}
	for _, r := range checkRows {
		all[r.name] = Works
	}
	for name, x := range map[string]struct {
		change map[string]Outcome
		want   Shown
	}{
		"all works":          {nil, Shown{Blocks: true, Submit: true, Txs: true, Peers: true}},
		"no parents":         {map[string]Outcome{rowLinked: Failed}, Shown{Submit: true, Txs: true, Peers: true}},
		"no way to submit":   {map[string]Outcome{nameSubmit: Absent, rowIncluded: Skipped}, Shown{Blocks: true, Txs: true, Peers: true}},
		"submitting fails":   {map[string]Outcome{nameSubmit: Failed}, Shown{Blocks: true, Txs: true, Peers: true}},
		"ids do not match":   {map[string]Outcome{rowIncluded: Failed}, Shown{Blocks: true, Submit: true, Peers: true}},
		"no peers":           {map[string]Outcome{namePeers: Absent}, Shown{Blocks: true, Submit: true, Txs: true}},
		"txs are not listed": {map[string]Outcome{nameTxs: Absent}, Shown{Blocks: true, Submit: true, Peers: true}},
	} {
		var findings []Finding
		for row, outcome := range all {
			if o, ok := x.change[row]; ok {
				outcome = o
			}
			findings = append(findings, Finding{Name: row, Outcome: outcome})
		}
		if got := ShownBy(findings); got != x.want {
			t.Errorf("%s: %+v, want %+v", name, got, x.want)
		}
	}
}

func TestCheck_BlockDoesNotPropagate(t *testing.T) {
	w := newHarness(t, 2, parse(t, plain, "  submit: {call: send, jq: .id}\n  tx: \"{{.From.Name}} {{.To.Name}} {{.Amount}} {{.Nonce}}\"\n", "",
		"  send: {method: send, params: [\"{{.Tx}}\"]}\n", ""))
	for _, y := range w.fakes {
		y.set(1, "one", "two")
	}
	f := checked(t, w, &ticker{})[rowPropagate]
	if f.Outcome != Failed || !strings.Contains(f.Problem.Text, "still at height 2") {
		t.Errorf("%+v %+v", f, f.Problem)
	}
}

func TestCheck_Interrupted(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain))
	ctx, cancel := context.WithCancel(t.Context())
	w.fakes[0].hook = func(_ *fakeNode, m string, _ int) *RPCError {
		if m == "generate" {
			cancel()
		}
		return nil
	}
	for _, f := range w.Check(ctx, &ticker{}, nil, CheckOptions{}) {
		if f.Outcome == Failed {
			t.Errorf("%s: %+v", f.Name, f.Problem)
		}
	}
}

func TestCheck_ShowsNoSecrets(t *testing.T) {
	file := parse(t, plain, "head: {call: head, jq: .}", "head: {call: who, jq: .nothing}",
		"{kind: jsonrpc2}", "{kind: jsonrpc2, bearer: "+cookie+"}", "calls:\n", "calls:\n  who: {method: \"echo\", params: ["+cookie+"]}\n")
	w := newHarness(t, 1, file)
	w.fakes[0].set(1, "one")
	f := checked(t, w, &ticker{})[nameHead]
	if f.Outcome != Failed || !strings.Contains(f.Problem.Reply, "[secret]") {
		t.Fatalf("%+v %+v", f, f.Problem)
	}
	if shows(f.Problem.Reply + f.Problem.Text + f.Problem.Got) {
		t.Errorf("the secret is in %+v", f.Problem)
	}
}

func TestCheck_Subscription(t *testing.T) {
	w := newHarness(t, 1, parse(t, plain, "\n  peers: {call: peers", wsFile)) // fake nodes have no websocket
	f := checked(t, w, pair(w))[nameArrival]
	if f.Outcome != Failed || !strings.Contains(fmt.Sprint(f.Problem), "no websocket at /ws") && !strings.Contains(fmt.Sprint(f.Problem), "no message announced a block") {
		t.Errorf("%+v %v", f, f.Problem)
	}
}

// TestCheck_LogPattern: a pattern that no line matches is a mistake, which would be found late otherwise.
func TestCheck_LogPattern(t *testing.T) {
	file := parse(t, plain, "\n  peers: {call: peers", `
  arrival: {log: {pattern: 'block (?P<height>[0-9]+)'}}
  peers: {call: peers`)
	w := newHarness(t, 1, file)
	f := checked(t, w, pair(w))[nameArrival]
	if f.Outcome != Failed || !strings.Contains(f.Problem.Text, "printed no line that matches block (?P<height>[0-9]+)") ||
		f.Problem.At != "toy.yaml:21:13" || !f.Problem.Look {
		t.Errorf("%+v %+v", f, f.Problem)
	}
	w = newHarness(t, 1, file)
	notifications := make(chan chain.Notification, 1)
	notifications <- chain.Notification{Height: 3}
	for _, f := range w.Check(t.Context(), pair(w), notifications, CheckOptions{}) {
		if f.Name == nameArrival && (f.Outcome != Works || f.Value != "a block at height 3") {
			t.Errorf("%+v %+v", f, f.Problem)
		}
	}
}
