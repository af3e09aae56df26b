package invariant

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// commands are what a script can say: what happens, by the methods of history, and what an invariant says of it.
var commands = map[string]any{
	"at": (*history).at, "sleep": (*history).sleep, "phase": (*history).phase, "end": (*history).end, "stop": (*history).stop,
	"polled": (*history).polled, "measured": (*history).measured, "gap": (*history).gap, "gapSince": (*history).gapSince,
	"state": (*history).state, "cut": (*history).cut, "heal": (*history).heal,
	"mine": (*history).mine, "get": (*history).get, "spread": (*history).spread, "grow": (*history).grow, "sync": (*history).sync, "rotate": (*history).rotate,
	"adopt": (*history).adopt, "report": (*history).report, "blocksUntil": (*history).blocksUntil, "catchUp": (*history).catchUp,
	"branch": (*history).branch, "final": (*history).final, "submit": (*history).submit, "body": (*history).body,
	"produced": (*history).produced, "judge": (*history).judged, "says": (*history).says, "metric": (*history).metric,
	"evidence": (*history).evidence,
	// silent checks that the figure does not hold a word.
	"silent": func(h *history, word string) {
		if strings.Contains(h.last.Figure, word) {
			h.t.Errorf("figure %q", h.last.Figure)
		}
	},
	// pieces checks how much evidence there is at least, exit the exit code if the invariant is
	// expected that was judged last, txs the summary.
	"pieces": func(h *history, n int) {
		if len(h.last.Evidence) < n {
			h.t.Errorf("evidence %+v", h.last.Evidence)
		}
	},
	"exit": func(h *history, code int) {
		if got := h.judge(h.expect...).ExitCode(Policy{}); got != code {
			h.t.Errorf("exit code %d, want %d", got, code)
		}
	},
	"txs": func(h *history, submitted, included, refused, open, lost int) {
		s := h.judge().Summary.Txs
		if d := cmp.Diff([]int{submitted, included, refused, open, lost}, []int{s.Submitted, s.Included, s.Refused, s.Open, s.Lost}); d != "" {
			h.t.Error(d)
		}
	},
	// partition checks the summary of the only partition.
	"partition": func(h *history, words ...string) {
		var got string
		for _, p := range h.judge().Summary.Partitions {
			got += fmt.Sprintf("canonical %d, idle %v, %d nodes dropped up to %d blocks, converged %v in %s",
				p.Canonical, p.Idle, p.Reorganised, p.DeepestReorg, p.Converged, p.ConvergedIn)
			for _, s := range p.Sides {
				got += fmt.Sprintf("; %d mined, height %d%s", s.Mined, s.Height, map[bool]string{true: ", a quorum"}[s.Quorate])
			}
		}
		if d := cmp.Diff(strings.Join(words, " "), got); d != "" {
			h.t.Error(d)
		}
	},
	// nothingPasses checks all invariants that depend on what nodes report.
	"nothingPasses": func(h *history) {
		for _, r := range h.allResults() {
			if r.Verdict == Pass && r.Invariant != "no_crash" {
				h.t.Errorf("%s: PASS", r.Invariant)
			}
		}
	},
	// synced lets a node get a block as history.
	"synced": func(h *history, n, from trace.NodeID, hash trace.Hash) { h.accept(n, from, hash, true) },
	// within lets a node report a block, on its head if it is new, that arrived within some time before.
	"within": func(h *history, n trace.NodeID, hash trace.Hash, d time.Duration) {
		if _, ok := h.blocks[hash]; !ok {
			h.block(hash, h.heads[n])
		}
		h.reportWithin(n, h.blocks[hash], d)
	},
	// reported lets nodes report blocks prefix-1, prefix-2 ... which exist.
	"reported": func(h *history, prefix string, count int, nodes ...trace.NodeID) {
		for i := range count {
			for _, n := range nodes {
				h.reportBlock(n, h.blocks[trace.Hash(fmt.Sprintf("%s-%d", prefix, i+1))])
			}
		}
	},
	// exists makes a block without a parent, below which a node knows nothing of the chain of a stated genesis.
	"exists": func(h *history, hash trace.Hash, height uint64) {
		h.run.Chain.GenesisHash = genesis
		h.blocks[hash] = trace.Block{Hash: hash, Height: height}
	},
	// height checks the height of the chain, of which no block is stale.
	"height": func(h *history, height uint64) {
		if s := h.judge().Summary; s.Height != height || s.Stale != 0 {
			h.t.Errorf("height %d, %d stale", s.Height, s.Stale)
		}
	},
	// mines sets a node's share of the block-making power.
	"mines": func(h *history, node int, power float64) { h.run.Nodes[node].Mine = power },
	"pace": func(h *history, blocks int, over, spread time.Duration) {
		p := trace.Pace{Blocks: blocks, Over: over, Spread: spread}
		if h.run.Chain.Pace = &p; p.Known() {
			h.run.Chain.BlockInterval = p.Interval()
		}
	},
	"relays": func(h *history, within time.Duration) { h.run.Chain.RelayWithin = within },
	// probes measures the link from a to b, which is cut.
	"probes": func(h *history, through int) { h.probe("p", trace.ProbeDuring, cutLink(through)) },
	// head moves a node to a block without an event.
	"head":        func(h *history, n trace.NodeID, hash trace.Hash) { h.heads[n] = hash },
	"restored":    func(h *history, n trace.NodeID, head trace.Head) { head.Restored = true; h.addHead(n, head) },
	"claims":      (*history).addHead,
	"interrupted": func(h *history) { h.events[len(h.events)-1].End.Interrupted = true },
	"reportBlock": func(h *history, n trace.NodeID, hash trace.Hash) { h.reportBlock(n, h.blocks[hash]) },
	"reportWithin": func(h *history, n trace.NodeID, hash trace.Hash, d time.Duration) {
		h.reportWithin(n, h.blocks[hash], d)
	},
	// apart lets two groups of nodes report blocks of their own, one a second.
	"apart": func(h *history, until time.Duration, one, two []trace.NodeID) {
		for i := 0; h.now < until; i++ {
			at := h.now
			h.report(trace.Hash(fmt.Sprint("one-", i)), one...)
			h.report(trace.Hash(fmt.Sprint("two-", i)), two...)
			h.at(at + time.Second)
		}
	},
	// skipTo lets nodes report the next block at a height, of which those in between have none.
	"skipTo": func(h *history, height uint64, hash trace.Hash, nodes ...trace.NodeID) {
		b := h.block(hash, h.heads[nodes[0]])
		b.Height = height
		h.blocks[hash] = b
		for _, n := range nodes {
			h.reportBlock(n, b)
			h.sleep(ms)
		}
	},
	"seen": func(h *history, n trace.NodeID, hash, parent trace.Hash, height uint64) {
		h.add(n, &trace.Event{Kind: trace.KindSeen, Seen: &trace.Seen{Hash: hash, Parent: parent, Height: height}})
	},
	"fault": func(h *history, id string, phase trace.FaultPhase) {
		h.fault(trace.Fault{ID: id, Kind: "kill", Phase: phase, Nodes: []trace.NodeID{"c"}})
	},
	"finalHeight": func(h *history, n trace.NodeID, height uint64) {
		h.add(n, &trace.Event{Kind: trace.KindFinal, Final: &trace.Final{Height: height}})
	},
	"refuse": func(h *history, n trace.NodeID, tx trace.Hash, why ...string) {
		h.add(n, &trace.Event{Kind: trace.KindSubmit, Submit: &trace.Submit{Tx: tx, Error: strings.Join(why, " ")}})
	},
	// hostile makes a node an adversary.
	"hostile": func(h *history, n trace.NodeID, kinds ...string) {
		for i := range h.run.Nodes {
			if x := &h.run.Nodes[i]; x.ID == n {
				x.Adversary, x.Mine = kinds, 0
			}
		}
		h.run.Chain.BanTime = time.Minute
	},
	// attack lets an adversary send something of a kind; want is what the peer must do, reason the one that it must give.
	"attack": func(h *history, n, peer trace.NodeID, kind, want string, hash trace.Hash, reason ...string) {
		h.add(n, &trace.Event{Kind: trace.KindAttack, Attack: &trace.Attack{
			Kind: kind, Peer: peer, Hash: hash, Want: want, Reason: strings.Join(reason, " "),
		}})
	},
	// refuses lets a node refuse what a peer sent, with a ban or without ("-").
	"refuses": func(h *history, n, peer trace.NodeID, ban string, hash trace.Hash, reason ...string) {
		h.add(n, &trace.Event{Kind: trace.KindRefuse, Refuse: &trace.Refuse{
			Peer: peer, Hash: hash, Reason: "invalid: " + strings.Join(reason, " "), Banned: ban == "ban",
		}})
	},
	"connects": func(h *history, n, peer trace.NodeID) {
		h.add(n, &trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: peer, Up: true}})
	},
	"disconnects": func(h *history, n, peer trace.NodeID) {
		h.add(n, &trace.Event{Kind: trace.KindPeer, Peer: &trace.Peer{Peer: peer}})
	},
	// answers lets a node state a head in its status, in the middle of the run.
	"answers": func(h *history, n trace.NodeID, height uint64, head trace.Hash) {
		h.add(n, &trace.Event{Kind: trace.KindStatus, Status: &trace.Status{Height: height, Head: head}})
	},
	// submitted submits transactions prefix-1, prefix-2 ..., and bodyOf puts them into a block, with those that it has.
	"submitted": func(h *history, n trace.NodeID, prefix string, count int) {
		for i := range count {
			h.submit(n, trace.Hash(fmt.Sprintf("%s-%d", prefix, i+1)))
		}
	},
	"bodyOf": func(h *history, hash trace.Hash, prefix string, count int) {
		var txs []trace.Hash
		for i := range count {
			txs = append(txs, trace.Hash(fmt.Sprintf("%s-%d", prefix, i+1)))
		}
		h.body(hash, txs...)
	},
	// late lets the maker make blocks prefix-1 ..., which the others get after some time.
	"late": func(h *history, maker trace.NodeID, prefix string, count int, delay time.Duration, others ...trace.NodeID) {
		for i := range count {
			hash := trace.Hash(fmt.Sprintf("%s-%d", prefix, i+1))
			h.mine(maker, hash, h.heads[maker])
			h.sleep(delay)
			for _, n := range others {
				h.get(n, maker, hash)
			}
		}
	},
	"lastPoll": func(h *history, n trace.NodeID, height uint64, head trace.Hash, why ...string) {
		s := &trace.Status{Final: true, Height: height, Head: head, Error: strings.Join(why, " ")}
		h.add(n, &trace.Event{Kind: trace.KindStatus, Status: s})
	},
}

// addHead lets a node state a head, whatever it has.
func (h *history) addHead(n trace.NodeID, head trace.Head) {
	h.add(n, &trace.Event{Kind: trace.KindHead, Head: &head})
	h.heads[n] = head.Hash
}

// judged checks the verdict of an invariant, NOT-APPLICABLE is one word; each parameter is NAME=VALUE.
func (h *history) judged(name string, verdict Verdict, params ...string) {
	h.t.Helper()
	var pairs []string
	for _, p := range params {
		pairs = append(pairs, strings.SplitN(p, "=", 2)...)
	}
	h.last = h.result(name, pairs...)
	want(h.t, h.last, Verdict(strings.ReplaceAll(string(verdict), "-", " ")))
}

// says checks a part of the figure or the reason of the last result.
func (h *history) says(words ...string) {
	if s := strings.Join(words, " "); !strings.Contains(h.last.Figure+"; "+h.last.Reason, s) {
		h.t.Errorf("%q; %q: want %q", h.last.Figure, h.last.Reason, s)
	}
}

func (h *history) metric(name string, v float64) {
	if !near(h.last.Metrics[name], v) {
		h.t.Errorf("%s is %v, want %v", name, h.last.Metrics[name], v)
	}
}

// evidence checks that the first piece of evidence names nodes, blocks and fault windows.
func (h *history) evidence(names ...string) {
	first := append(h.last.Evidence, Evidence{})[0]
	for _, name := range names {
		if !slices.Contains(first.Nodes, trace.NodeID(name)) && !slices.Contains(first.Blocks, trace.Hash(name)) &&
			!slices.Contains(first.Windows, name) {
			h.t.Errorf("evidence %+v does not name %s first", h.last.Evidence, name)
		}
	}
}

// scriptValue reads a word as an argument of a command. "-" is an empty text, "a,b" a list of nodes, "x-1@3" a head.
func scriptValue(t *testing.T, typ reflect.Type, word string) reflect.Value {
	t.Helper()
	v := reflect.New(typ).Elem()
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		v.SetInt(int64(must.Get(time.ParseDuration(word))(t)))
	case typ == reflect.TypeFor[trace.Head]():
		hash, height, _ := strings.Cut(word, "@")
		v.Set(reflect.ValueOf(trace.Head{Hash: trace.Hash(hash), Height: must.Get(strconv.ParseUint(height, 10, 64))(t)}))
	case v.CanInt():
		v.SetInt(must.Get(strconv.ParseInt(word, 10, 64))(t))
	case v.CanUint():
		v.SetUint(must.Get(strconv.ParseUint(word, 10, 64))(t))
	case v.CanFloat():
		v.SetFloat(must.Get(strconv.ParseFloat(word, 64))(t))
	case typ.Kind() == reflect.Slice:
		for name := range strings.SplitSeq(word, ",") {
			v.Set(reflect.Append(v, reflect.ValueOf(trace.NodeID(name))))
		}
	case word != "-":
		v.SetString(word)
	}
	return v
}

// script runs the lines of a script. It begins with "nodes NAME ...", with "bft" for four nodes that need a quorum and are
// polled, or with "use TITLE", which runs another script's lines.
func script(t *testing.T, h *history, scripts map[string]string, title string) *history {
	t.Helper()
	if _, ok := scripts[title]; !ok {
		t.Fatalf("no script %q", title)
	}
	line := ""
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: the last line that ran is%s", title, line)
		}
	})
	for next := range strings.Lines(scripts[title]) {
		if t.Failed() {
			break
		}
		line, _, _ = strings.Cut(" "+strings.TrimSpace(next), " #")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "use":
			h = script(t, h, scripts, strings.Join(words[1:], " "))
		case words[0] == "bft":
			h = newBFT(t)
		case words[0] == "nodes":
			var nodes []trace.NodeID
			for _, w := range words[1:] {
				nodes = append(nodes, trace.NodeID(w))
			}
			h = newHistory(t, nodes...)
		default:
			command := reflect.ValueOf(commands[words[0]])
			if !command.IsValid() || len(words) < command.Type().NumIn()-1 {
				t.Fatalf("no such command: %s", line)
			}
			args := []reflect.Value{reflect.ValueOf(h)}
			for i, w := range words[1:] {
				typ := command.Type().In(min(i+1, command.Type().NumIn()-1))
				if command.Type().IsVariadic() && i+2 >= command.Type().NumIn() {
					typ = typ.Elem()
				}
				args = append(args, scriptValue(t, typ, w))
			}
			command.Call(args)
		}
	}
	return h
}

// TestJudge_Scripts runs the histories in testdata. Each begins with "=== " and its title.
func TestJudge_Scripts(t *testing.T) {
	files := must.Get(filepath.Glob("testdata/*.txt"))(t)
	for _, file := range files {
		scripts := make(map[string]string)
		for _, s := range strings.Split("\n"+string(must.Get(os.ReadFile(file))(t)), "\n=== ")[1:] {
			title, lines, _ := strings.Cut(s, "\n")
			if scripts[title] != "" {
				t.Fatalf("%s: two scripts are called %q", file, title)
			}
			scripts[title] = lines
		}
		for title, lines := range scripts {
			if strings.Contains(lines, "judge ") { // others are parts of these
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+title, func(t *testing.T) { script(t, nil, scripts, title) })
			}
		}
	}
}
