package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/scenario"
)

// checkTail is how many of the last lines of a node that failed are shown.
const checkTail = 10

// checkName is the name of the scenario that `chain check` starts.
const checkName = "chain-check"

func chainCheckCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "check",
		Usage:     "start one node of a chain, then two, and test everything in its chain file",
		ArgsUsage: "CHAIN",
		Description: "CHAIN is a chain file or a name from `netsplit chain ls`. Shows what each observation and action returns, each " +
			"failure with the reply and the expression that fails on it, and which invariants can be judged. Nothing is left behind " +
			"but the image. The exit code is 0 when everything works, 2 for a mistake in the file, 3 for a failure after the start.",
		Flags:  []ucli.Flag{jsonFlag(), startTimeoutFlag(), subnetFlag()},
		Action: func(c *ucli.Context) error { return checkChain(c, e) },
	}
}

// chainChecked is what `chain check` prints.
type chainChecked struct {
	Chain  string       `json:"chain"`
	File   string       `json:"file"`
	Arg    string       `json:"-"` // as the user named it
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

// checkStage is the result with so many nodes.
type checkStage struct {
	Nodes    int                `json:"nodes"`
	Findings []external.Finding `json:"findings"`
	// Facts are what the invariants are judged by.
	Facts trace.Facts `json:"facts"`
	// Died says how a node exited by itself, where one did, and Start where the chain file says how it is started. Printed is
	// what Node, which exited or failed, printed last.
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

// answered reports whether the nodes could be polled at all.
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
	if x.Peers {
		shown = append(shown, invariant.ObservePeers)
	}
	if x.Submit {
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

func checkChain(c *ucli.Context, e *env) error {
	if c.Args().First() == ourChain {
		return usagef("`netsplit chain ls` lists the others", "netsplit's own chain has no file that could be checked")
	}
	if err := checkStartTimeout(durationOf(c, flagStartTimeout)); err != nil {
		return err
	}
	options, err := engineOptions(c.String(flagSubnet))
	if err != nil {
		return err
	}
	file, err := testnets.OpenChain(c.Args().First())
	if err != nil {
		return usageError(err)
	}
	options.Lease = true
	out := chainChecked{Chain: file.Name, File: file.File, Arg: c.Args().First(), OK: true}
	p := newProgress(e)
	var failed error
	for n := 1; n <= 2 && failed == nil; n++ {
		var s *checkStage
		if s, failed = checkOn(c.Context, file, n, options, c.Duration(flagStartTimeout), p); s == nil {
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
		failed = errors.Join(out.show(e.output(c)), failed)
	}
	if failed == nil && !out.OK {
		return &exitError{code: exitInfrastructure}
	}
	return failed
}

// checkOn starts so many nodes, tests everything in the chain file, and removes them. stage is nil when nothing could be
// tested.
func checkOn(ctx context.Context, file *chainspec.Chain, nodes int, options docker.Options, startTimeout time.Duration, p *progress) (
	stage *checkStage, err error,
) {
	spec, err := checkSpec(nodes)
	if err != nil {
		return nil, err
	}
	id, err := newID(checkName)
	if err != nil {
		return nil, err
	}
	d, err := docker.New(ctx, options)
	if err != nil {
		return nil, noEngine(err)
	}
	chain := external.New(file, d, d.Transport(), func(text string) { p.Phase(text, 0) })
	h := &host{id: id, name: runtimeDocker, runtime: d, chain: chain}
	defer func() {
		err = errors.Join(err, h.close(ctx))
		chain.CloseIdleConnections()
	}()
	dir, err := newRunDir("", id, spec.Source)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, removeRunDir(dir, id)) }()
	return testFile(ctx, spec, h, chain, dir, startTimeout, p)
}

// testFile starts a testnet and checks its chain file on it.
func testFile(ctx context.Context, spec *scenario.Spec, h *host, chainFile *external.Chain, dir string, startTimeout time.Duration, p *progress) (*checkStage, error) {
	runCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	caps := chainFile.Capabilities()
	sink := &checkSink{parse: caps.ParseNotification, cancel: cancel, notified: make(chan chain.Notification, 1)}
	stage := &checkStage{Nodes: len(spec.NodeIDs())}
	t, err := run.Start(runCtx, run.Options{
		ID: h.id, Spec: spec, Runtime: h.runtime, Chain: chainFile, Dir: dir, Sink: sink, Progress: p,
	})
	if err != nil && (t == nil || context.Cause(runCtx) == nil || ctx.Err() != nil) {
		return nil, err
	}
	stage.Facts = t.Facts
	stage.Findings = chainFile.Check(runCtx, h.runtime.Clock(), sink.notified, external.CheckOptions{
		StartTimeout: startTimeout, Progress: func(text string) { p.Phase(text, 0) },
	})
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

// checkSpec is the scenario of a check: nodes that all make blocks and are all connected.
func checkSpec(nodes int) (*scenario.Spec, error) {
	return scenario.Parse(checkName, fmt.Appendf(nil, "name: %s\nnodes: [{name: node, count: %d, mine: 100/s}]\n"+
		"consensus: {pow: {block_interval: 1s}}\ntopology: full\nduration: 1s\n", checkName, nodes))
}

// checkSink is a runtime.Sink that cancels a context when a node exits by itself, and keeps the first notification of a
// block that a node prints.
type checkSink struct {
	parse  func(faults.NodeID, []byte) (chain.Notification, bool) // of a line; nil: none
	cancel context.CancelCauseFunc
	// notified receives the first notification of a block.
	notified chan chain.Notification

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
		case s.notified <- h:
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
		s.node, s.err = node, fmt.Errorf("node %s exited by itself: %w", node, err)
		s.cancel(s.err)
	}
}

// External implements runtime.Sink.
func (s *checkSink) External(_ faults.NodeID, err *runtime.ExternalError) { s.cancel(err) }

// first returns the first node that exited by itself, and how.
func (s *checkSink) first() (faults.NodeID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node, s.err
}

// show prints what a check found.
func (o *chainChecked) show(out output) error {
	if out.json {
		return out.value(o)
	}
	out.printf("chain %s (%s)\n\n", o.Chain, o.File)
	header := []string{"", "one node", "two nodes"}[:len(o.Stages)+1]
	var rows, absent [][]string
	failures := 0
	for i, f := range o.Stages[0].Findings {
		row := []string{f.Name}
		for k, s := range o.Stages {
			f = s.Findings[i]
			cell := checkCell(f, &failures)
			if f.Outcome == external.Skipped && k < len(o.Stages)-1 {
				cell = "" // what needs a second node is tested later
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
		if f.Outcome == external.Absent {
			absent = append(absent, []string{f.Name, f.Note})
		}
	}
	if err := out.table(nil, header, rows); err != nil {
		return err
	}
	if len(absent) > 0 {
		out.printf("\n")
		if err := out.table(nil, []string{"not in the file", "what follows"}, absent); err != nil {
			return err
		}
	}
	number := 0
	for i := range o.Stages[0].Findings {
		for _, s := range o.Stages {
			if f := s.Findings[i]; f.Outcome == external.Failed {
				number++
				showProblem(out.w, number, s.Nodes, f)
			}
		}
	}
	for _, s := range o.Stages {
		showPrinted(out.w, &s)
	}
	if err := showJudgeable(out, o.Invariants); err != nil {
		return err
	}
	if o.OK {
		out.printf("\nchain %s: everything in its chain file works; next: netsplit run split-brain --chain %s\n", o.Chain, shellWord(o.Arg))
	} else {
		out.printf("\nchain %s: not everything in its chain file works\n", o.Chain)
	}
	return nil
}

// showJudgeable prints which invariants can be judged on the chain, and what the others lack.
func showJudgeable(out output, list []judgeable) error {
	if len(list) == 0 {
		return nil
	}
	var rows [][]string
	for _, x := range list {
		row := []string{x.Invariant, "yes", ""}
		if len(x.Missing) > 0 {
			row[1], row[2] = "no", fmt.Sprintf("the chain file does not show %s", x.Missing[0])
		}
		rows = append(rows, row)
	}
	out.printf("\ninvariants that can be judged on this chain:\n\n")
	return out.table(nil, []string{"invariant", "judged", "why not"}, rows)
}

// checkCell is what the table shows of a finding. failures counts those that are shown below.
func checkCell(f external.Finding, failures *int) string {
	switch f.Outcome {
	case external.Works:
		return clipped(f.Value, maxCell)
	case external.Failed:
		*failures++
		return fmt.Sprintf("FAILED%s(%d)", report.NBSP, *failures)
	case external.Absent:
		return "-"
	}
	return f.Note
}

// showProblem prints why something failed.
func showProblem(w io.Writer, number, nodes int, f external.Finding) {
	p := f.Problem
	fmt.Fprintf(w, "\n(%d) %s, %s\n", number, f.Name, counted(nodes))
	if p.JQ == "" {
		fmt.Fprintf(w, "    %s\n", p.Text)
		if p.At != "" {
			fmt.Fprintf(w, "    at     %s\n", p.At)
		}
	} else {
		fmt.Fprintf(w, "    at     %s\n    jq     %s\n    reply  %s of node %s\n    it     %s\n", p.At, p.JQ, p.Reply, p.Node, p.Got)
	}
	if p.Hint != "" {
		fmt.Fprintf(w, "    hint   %s\n", p.Hint)
	}
}

// counted is a number of nodes in words.
func counted(nodes int) string {
	if nodes == 1 {
		return "one node"
	}
	return "two nodes"
}

const (
	// maxPrinted is the most characters of a node's line that are shown, maxCell of a value in the table.
	maxPrinted = 200
	maxCell    = 24
)

// showPrinted prints what a node printed that died or did not answer.
func showPrinted(w io.Writer, s *checkStage) {
	if s.Died != "" {
		fmt.Fprintf(w, "\n%s: %s\n    at     %s\n    hint   compare the arguments, environment and files there with what the node prints\n",
			counted(s.Nodes), s.Died, s.Start)
	}
	if s.Node == "" {
		return
	}
	if len(s.Printed) == 0 {
		fmt.Fprintf(w, "\n%s: node %s printed nothing\n", counted(s.Nodes), s.Node)
		return
	}
	fmt.Fprintf(w, "\n%s: what node %s printed last\n", counted(s.Nodes), s.Node)
	for _, l := range s.Printed {
		fmt.Fprintf(w, "    | %s\n", clipped(l, maxPrinted))
	}
}
