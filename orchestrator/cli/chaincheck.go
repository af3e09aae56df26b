package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// checkTail is how many of a node's last lines are shown where it gave no answer.
const checkTail = 10

// checkName is the name of the scenario that `chain check` starts.
const checkName = "chain-check"

func (e *env) chainCheckCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "check",
		Usage:     "start one node of a chain, then two, and try all that its file says",
		ArgsUsage: "CHAIN",
		Description: "CHAIN is a chain file or a name from `netsplit chain ls`. Shows what each observation and action gives, what goes\n" +
			"wrong with the reply and the expression that it fails on, and which invariants will be judged. Nothing is left\n" +
			"behind but the image. The exit code is 0 when all works, 2 for a mistake in the file, 3 when something fails\n" +
			"after the start.",
		Flags:  []ucli.Flag{jsonFlag()},
		Action: e.chainCheck,
	}
}

// chainChecked is what `chain check` prints.
type chainChecked struct {
	Chain  string       `json:"chain"`
	File   string       `json:"file"`
	Asked  string       `json:"-"` // as the user named it
	OK     bool         `json:"ok"`
	Stages []checkStage `json:"stages"`
	// Invariants says which can be judged on this chain; empty where no node could be polled.
	Invariants []judgeable `json:"invariants,omitempty"`
}

// judgeable says whether an invariant can be judged on a chain, by what the chain file lets netsplit observe.
type judgeable struct {
	Invariant string                  `json:"invariant"`
	Missing   []invariant.Observation `json:"missing,omitempty"`
}

// checkStage is what came of so many nodes.
type checkStage struct {
	Nodes    int                `json:"nodes"`
	Findings []external.Finding `json:"findings"`
	// Facts are what the invariants are judged by.
	Facts trace.Facts `json:"facts"`
	// Died says how a node ended by itself, where one did, and Start where the chain file says how it is started; Printed is
	// what a node printed last that died or that something is wrong with.
	Died    string   `json:"died,omitempty"`
	Start   string   `json:"start,omitempty"`
	Node    string   `json:"node,omitempty"`
	Printed []string `json:"printed,omitempty"`
}

// failures counts what failed.
func (s *checkStage) failures() int {
	n := 0
	for _, f := range s.Findings {
		if f.Outcome == external.Failed {
			n++
		}
	}
	if s.Died != "" {
		n++
	}
	return n
}

// answered reports whether the nodes could be asked at all.
func (s *checkStage) answered() bool {
	for _, f := range s.Findings {
		if f.Name == "observe.head" {
			return f.Outcome == external.Works
		}
	}
	return false
}

// judgeable lists the invariants with the observations that the last nodes did not show.
func (o *chainChecked) judgeable() (list []judgeable) {
	last := &o.Stages[len(o.Stages)-1]
	if !last.answered() {
		return nil
	}
	var shown []invariant.Observation
	x := external.ShownBy(last.Findings)
	if x.Blocks {
		shown = append(shown, invariant.ObserveBlocks)
	}
	if x.NoSubmit == "" {
		shown = append(shown, invariant.ObserveSubmit)
	}
	if x.Txs {
		shown = append(shown, invariant.ObserveTxs)
	}
	for _, d := range invariant.Definitions() {
		list = append(list, judgeable{d.Name, d.Missing(shown)})
	}
	return list
}

func (e *env) chainCheck(c *ucli.Context) error {
	if c.Args().First() == ourChain {
		return usagef("`netsplit chain ls` lists the others", "netsplit's own chain has no file that could be checked")
	}
	file, err := testnets.OpenChain(c.Args().First())
	if err != nil {
		return usageError(err)
	}
	out := chainChecked{Chain: file.Name, File: file.File, Asked: c.Args().First(), OK: true}
	p := e.newProgress()
	var failed error
	for n := 1; n <= 2 && failed == nil; n++ {
		var s *checkStage
		if s, failed = e.checkOn(c.Context, file, n, p); s == nil {
			break
		}
		out.Stages = append(out.Stages, *s)
		out.OK = out.OK && s.failures() == 0
		if n == 1 && !s.answered() {
			break // two would not answer either
		}
	}
	p.end()
	if failed != nil {
		out.OK = false
	}
	if len(out.Stages) > 0 && c.Context.Err() == nil {
		out.Invariants = out.judgeable()
		failed = errors.Join(e.showChecked(c, &out), failed)
	}
	if failed == nil && !out.OK {
		return &exitError{code: exitInfrastructure}
	}
	return failed
}

// checkOn starts so many nodes, tries all that the file says, and removes them. Without a stage nothing could be tried.
func (e *env) checkOn(ctx context.Context, file *testnets.Chain, nodes int, p *progress) (stage *checkStage, err error) {
	spec, err := checkSpec(nodes)
	if err != nil {
		return nil, err
	}
	id, err := newID(checkName)
	if err != nil {
		return nil, err
	}
	d, err := docker.New(ctx, docker.Options{Lease: true})
	if err != nil {
		return nil, noEngine(err)
	}
	chain := external.New(file, d, d.Transport(), func(text string) { p.Phase(text, 0) })
	h := &host{id: id, name: runtimeDocker, runtime: d, chain: chain}
	defer func() {
		err = errors.Join(err, e.closeHost(ctx, h))
		chain.CloseIdleConnections()
	}()
	dir, err := newRunDir("", id, spec, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, removeState(dir, id)) }()
	return tryOut(ctx, spec, h, chain, dir, p)
}

// tryOut starts a testnet and checks its chain file on it.
func tryOut(ctx context.Context, spec *testnets.Spec, h *host, chainFile *external.Chain, dir string, p *progress) (*checkStage, error) {
	runCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	caps := chainFile.Capabilities()
	sink := &checkSink{parse: caps.ParseNotification, cancel: cancel, heard: make(chan chain.Notification, 1)}
	stage := &checkStage{Nodes: len(spec.NodeIDs())}
	t, err := run.Start(runCtx, run.Options{
		ID: h.id, Spec: spec, Runtime: h.runtime, Chain: chainFile, Dir: dir, Sink: sink, Progress: p,
	})
	if err != nil && (t == nil || context.Cause(runCtx) == nil || ctx.Err() != nil) {
		return nil, err
	}
	stage.Facts = t.Facts
	stage.Findings = chainFile.Check(runCtx, h.runtime.Clock(), sink.heard, func(text string) { p.Phase(text, 0) })
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if node, err := sink.first(); err != nil {
		stage.Died, stage.Node = caps.Redact(err.Error()), string(node)
		stage.Start = caps.StartPosition
	}
	for _, f := range stage.Findings {
		if f.Problem != nil && f.Problem.Look && stage.Node == "" {
			stage.Node = f.Problem.Node
		}
	}
	if stage.Node == "" {
		return stage, nil
	}
	lines, err := h.runtime.Logs(ctx, faults.NodeID(stage.Node), checkTail)
	if err != nil {
		return stage, infrastructure(fmt.Errorf("read the log of node %s: %w", stage.Node, err), "")
	}
	for _, l := range lines {
		stage.Printed = append(stage.Printed, caps.Redact(l))
	}
	return stage, nil
}

// checkSpec is the scenario of a check: nodes that all make blocks and know each other.
func checkSpec(nodes int) (*testnets.Spec, error) {
	return testnets.Parse(checkName, fmt.Appendf(nil, "name: %s\nnodes: [{name: node, count: %d, mine: 100/s}]\n"+
		"consensus: {pow: {block_interval: 1s}}\ntopology: full\nduration: 1s\n", checkName, nodes))
}

// checkSink is a runtime.Sink that ends a context when a node ends by itself, and keeps the first block of which a node
// prints a line.
type checkSink struct {
	parse  func(faults.NodeID, []byte) (chain.Notification, bool) // of a line; nil: none
	cancel context.CancelCauseFunc
	heard  chan chain.Notification

	mu   sync.Mutex
	node faults.NodeID
	err  error
}

var _ runtime.Sink = (*checkSink)(nil)

// Line implements runtime.Sink.
func (s *checkSink) Line(node faults.NodeID, _ time.Time, line []byte) {
	if s.parse == nil {
		return
	}
	if h, ok := s.parse(node, line); ok {
		select {
		case s.heard <- h:
		default:
		}
	}
}

// Gap implements runtime.Sink.
func (*checkSink) Gap(faults.NodeID, error) {}

// Exit implements runtime.Sink.
func (s *checkSink) Exit(node faults.NodeID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.node, s.err = node, fmt.Errorf("node %s ended by itself: %w", node, err)
		s.cancel(s.err)
	}
}

// first returns the first node that ended by itself, and how.
func (s *checkSink) first() (faults.NodeID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node, s.err
}
