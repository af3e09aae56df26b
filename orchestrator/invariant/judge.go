package invariant

import (
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Events calls its argument for every event of a trace, in order of time, and stops at the first error. An error that is
// a *trace.TruncatedError means that the events so far are all that is left.
type Events func(fn func(*trace.Event) error) error

// File reads the events of a trace file.
func File(path string) Events {
	return func(fn func(*trace.Event) error) error { return trace.ReadSorted(path, fn) }
}

// Judgement is the judgement of one run.
type Judgement struct {
	Run trace.Run `json:"run"`
	// Results has the invariants that were expected and those that are always judged, in the order of Definitions.
	Results []Result `json:"results"`
	Summary Summary  `json:"summary"`
	// Incomplete says why the history is not complete; empty when it is.
	Incomplete string `json:"incomplete,omitempty"`
	// Interrupted and Error are those of the trace's end event.
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
// VACUOUS fail too, except for invariants that the scenario does not list and that are about the testnet (a run need not
// have faults) or cannot be judged on the chain in any run (see Result.Inherent).
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

// Judge runs the checkers over a trace. expect are the invariants to judge beside those that are always judged; nil means
// those of the trace's run event. Wrong expectations give Check's error. A trace that is cut short is judged as far as it
// goes: see Judgement.Incomplete.
func Judge(events Events, expect []trace.Expectation) (*Judgement, error) {
	if err := Check(expect); err != nil {
		return nil, err
	}
	j := judge{expect: expect}
	s, err := replay.Play(events, j.observe)
	var cut *trace.TruncatedError
	if s == nil || err != nil && !errors.As(err, &cut) {
		return nil, err
	}
	return j.finish(s, cut), nil
}

// judge is a judgement in progress. Every checker runs, because the summary needs some that were not expected.
type judge struct {
	expect   []trace.Expectation
	checkers []runningChecker
}

type runningChecker struct {
	Checker
	def      Definition
	expected bool
}

func (j *judge) observe(s *replay.State, e *trace.Event) error {
	if e.Kind == trace.KindRun {
		if err := j.start(e.Run); err != nil {
			return err
		}
	}
	for i := range j.checkers {
		j.checkers[i].Observe(s, e)
	}
	return nil
}

func (j *judge) start(run *trace.Run) error {
	expect := j.expect
	if expect == nil {
		expect = run.Expect
		if err := Check(expect); err != nil {
			return fmt.Errorf("expectations of the trace: %w", err)
		}
	}
	for _, def := range Definitions() {
		c := runningChecker{def: def}
		var params map[string]string
		for _, x := range expect {
			if x.Name == def.Name {
				c.expected, params = true, x.Params
			}
		}
		values, errs := def.parse(params)
		if len(errs) > 0 {
			return errs[0]
		}
		c.Checker = def.New(values)
		j.checkers = append(j.checkers, c)
	}
	return nil
}

func (j *judge) finish(s *replay.State, cut *trace.TruncatedError) *Judgement {
	out := &Judgement{Run: *s.Run, Incomplete: s.Incomplete(), Summary: summarize(s)}
	if cut != nil {
		out.Incomplete = "the trace is cut short: " + cut.Error()
	}
	if s.End != nil {
		out.Interrupted, out.Error = s.End.Interrupted, s.End.Error
	}
	for _, c := range j.checkers {
		r := c.Finish(s)
		if x, ok := c.Checker.(summarizer); ok {
			x.summarize(s, &out.Summary)
		}
		if !c.expected && !c.def.Always {
			continue
		}
		if c.def.Quiet && !c.expected && (r.Verdict == Vacuous || r.Inherent) {
			continue
		}
		r.Invariant, r.Class, r.Expected = c.def.Name, c.def.Class, c.expected
		out.Results = append(out.Results, qualify(s, r, out))
	}
	return out
}

// qualify withholds verdicts that an incomplete history does not support. A violation of safety, or of what the testnet
// should do, stays one: what is missing could not undo it.
func qualify(s *replay.State, r Result, j *Judgement) Result {
	switch {
	case r.Verdict == Fail && r.Class != Liveness, r.Verdict == Unknown:
		return r
	case j.Incomplete != "":
		return r.unknown(j.Incomplete)
	case r.Class == Liveness && j.Interrupted:
		return r.unknown("the run was interrupted")
	case r.Class == Liveness && j.Error != "":
		return r.unknown("the run ended early: " + j.Error)
	case r.Verdict == Pass && s.Unobserved() != "" && r.Class != Infrastructure:
		return r.unknown(s.Unobserved())
	case r.Verdict == Pass && s.Blocks.Len() < 2:
		return r.vacuous("no block was made")
	}
	return r
}
