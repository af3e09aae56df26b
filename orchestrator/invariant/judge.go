package invariant

import (
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Events calls its argument for every event of a trace, in order of time, and stops at the first error. An error that is
// a *trace.TruncatedError means that the events so far are all that is left.
type Events func(fn func(*trace.Event) error) error

// File gives the events of a trace file.
func File(path string) Events {
	return func(fn func(*trace.Event) error) error { return trace.ReadSorted(path, fn) }
}

// Judgement is the judgement of one run.
type Judgement struct {
	Run trace.Run `json:"run"`
	// Results has the invariants that were asked for and those that are always judged, in the order of Definitions.
	Results []Result `json:"results"`
	Summary Summary  `json:"summary"`
	// Incomplete says why the history is not complete; empty when it is.
	Incomplete string `json:"incomplete,omitempty"`
	// Interrupted and Error are the trace's own account of its end.
	Interrupted bool   `json:"interrupted,omitempty"`
	Error       string `json:"error,omitempty"`
}

// Exit codes of a judged run.
const (
	ExitPass           = 0
	ExitFail           = 1
	ExitInfrastructure = 3
	ExitInterrupted    = 130
)

// ExitCode is ExitInterrupted when the user stopped the run; else ExitInfrastructure when the run ended with an error or
// an invariant about the testnet failed; else ExitFail when any other failed; else ExitPass. With strict, UNKNOWN and
// VACUOUS fail too, but for invariants that nobody asked for and that are about the testnet (a run without faults may be
// clean) or cannot be judged on the chain in any run (see Result.Inherent).
func (j *Judgement) ExitCode(strict bool) int {
	if j.Interrupted {
		return ExitInterrupted
	}
	code := ExitPass
	if j.Error != "" {
		code = ExitInfrastructure
	}
	for _, r := range j.Results {
		switch {
		case !r.Fails(strict):
		case r.Verdict == Fail && r.Class == Infrastructure:
			code = ExitInfrastructure
		default:
			code = max(code, ExitFail)
		}
	}
	return code
}

// Fails reports whether a result makes a run fail; see ExitCode.
func (r Result) Fails(strict bool) bool {
	switch r.Verdict {
	case Fail:
		return true
	case Unknown:
		return strict && (r.Expected || !r.Inherent)
	case Vacuous:
		return strict && (r.Expected || r.Class != Infrastructure)
	}
	return false
}

// Judge runs the checkers over a trace. expect is what is asked for; nil means what the trace's own run event asks for.
// Wrong expectations give Check's error. A trace that is cut short is judged as far as it goes: see Judgement.Incomplete.
func Judge(events Events, expect []trace.Expectation) (*Judgement, error) {
	if err := Check(expect); err != nil {
		return nil, err
	}
	var k court
	err := events(func(e *trace.Event) error {
		if k.world == nil {
			return k.open(e, expect)
		}
		return k.observe(e)
	})
	var cut *trace.TruncatedError
	if err != nil && !errors.As(err, &cut) {
		return nil, err
	}
	if k.world == nil {
		return nil, errors.New("the trace has no run event")
	}
	return k.close(cut), nil
}

// court is a judgement in progress. Every checker runs, because the summary needs some that nobody asked for.
type court struct {
	world *World
	cases []courtCase
}

type courtCase struct {
	def     Definition
	checker Checker
	asked   bool
}

func (k *court) open(e *trace.Event, expect []trace.Expectation) error {
	if e.Kind != trace.KindRun {
		return fmt.Errorf("the trace begins with a %s event, not with the run", e.Kind)
	}
	if err := e.Run.CheckFormat(); err != nil {
		return err
	}
	if expect == nil {
		expect = e.Run.Expect
		if err := Check(expect); err != nil {
			return fmt.Errorf("what the trace asks for: %w", err)
		}
	}
	w, err := newWorld(e.Run, e.At)
	if err != nil {
		return err
	}
	for _, def := range Definitions() {
		c := courtCase{def: def}
		var params map[string]string
		for _, x := range expect {
			if x.Name == def.Name {
				c.asked, params = true, x.Params
			}
		}
		values, errs := def.parse(params)
		if len(errs) > 0 {
			return errs[0]
		}
		c.checker = def.New(values)
		k.cases = append(k.cases, c)
	}
	k.world = w
	return k.observe(e)
}

func (k *court) observe(e *trace.Event) error {
	if e.Kind == trace.KindRun && e.Run != k.world.run {
		return errors.New("the trace has a second run event")
	}
	k.world.observe(e)
	for i := range k.cases {
		k.cases[i].checker.Observe(k.world, e)
	}
	return nil
}

func (k *court) close(cut *trace.TruncatedError) *Judgement {
	w := k.world
	w.node, w.block, w.reorg = noNode, noBlock, reorg{}
	w.refresh()
	j := &Judgement{Run: *w.run, Incomplete: incomplete(w, cut)}
	if w.end != nil {
		j.Interrupted, j.Error = w.end.Interrupted, w.end.Error
	}
	var (
		txs    *inclusion
		spread *propagation
		faults *accuracy
	)
	for _, c := range k.cases {
		r := c.checker.Finish(w)
		switch x := c.checker.(type) {
		case *inclusion:
			txs = x
		case *propagation:
			spread = x
		case *accuracy:
			faults = x
		}
		if !c.asked && !c.def.Always {
			continue
		}
		r.Invariant, r.Class, r.Expected = c.def.Name, c.def.Class, c.asked
		j.Results = append(j.Results, qualify(w, r, j))
	}
	j.Summary = w.summarize(txs, spread, faults)
	return j
}

// qualify withholds verdicts that an incomplete history cannot carry. A violation of safety, or of the testnet's own
// promises, that is in the history stays one; what is missing could not undo it.
func qualify(w *World, r Result, j *Judgement) Result {
	switch {
	case r.Verdict == Fail && r.Class != Liveness, r.Verdict == Unknown:
		return r
	case j.Incomplete != "":
		return r.unknown(j.Incomplete)
	case r.Class == Liveness && j.Interrupted:
		return r.unknown("the run was interrupted")
	case r.Class == Liveness && j.Error != "":
		return r.unknown("the run ended early: " + j.Error)
	case r.Verdict == Pass && len(w.silence.found) > 0 && r.Class != Infrastructure:
		return r.unknown(w.silence.found[0])
	case r.Verdict == Pass && len(w.tree.blocks) < 2:
		return r.vacuous("no block was made")
	}
	return r
}

// incomplete says why the history is not complete.
func incomplete(w *World, cut *trace.TruncatedError) string {
	switch {
	case cut != nil:
		return "the trace is cut short: " + cut.Error()
	case w.end == nil:
		return "the trace has no end: the run was cut short"
	case len(w.gaps) > 0:
		return w.gaps[0]
	case len(w.problems) > 0:
		return w.problems[0]
	}
	return ""
}
