package invariant

import (
	"errors"
	"fmt"
	"slices"

	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Events calls its argument for every event of a trace, in order of time, and stops at the first error. An error that is
// a *trace.TruncatedError means that the events so far are all that is left, a *trace.AlteredError that they are not those
// that were recorded.
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

	// Altered is true when events are missing that were recorded, or that the plan calls for; Incomplete says which.
	Altered bool `json:"altered,omitempty"`
}

// Exit codes of a judged run.
const (
	ExitPass           = 0
	ExitFail           = 1
	ExitInfrastructure = 3
	ExitUnknown        = 4
	ExitInterrupted    = 130
)

// Policy says which verdicts beside FAIL make a run fail. The zero Policy is the default.
type Policy struct {
	// Strict lets VACUOUS fail, except for invariants about the testnet that the scenario does not list: a run need not have
	// faults.
	Strict bool
	// AllowUnknown lets a run pass in which an invariant is UNKNOWN.
	AllowUnknown bool
}

// ExitCode is ExitInterrupted when the user stopped the run; else ExitInfrastructure when the run ended with an error or
// an invariant about the testnet failed; else ExitFail when any other failed; else ExitUnknown when one could not be judged,
// unless the policy allows that; else ExitPass. Invariants that are judged in every run count like those that the scenario
// lists, and NOT APPLICABLE never counts.
func (j *Judgement) ExitCode(p Policy) int {
	if j.Interrupted {
		return ExitInterrupted
	}
	failed, unknown := false, false
	infrastructure := j.Error != ""
	for _, r := range j.Results {
		switch {
		case !r.Fails(p):
		case r.Verdict == Unknown:
			unknown = true
		case r.Verdict == Fail && r.Class == Infrastructure:
			infrastructure = true
		default:
			failed = true
		}
	}
	switch {
	case infrastructure:
		return ExitInfrastructure
	case failed:
		return ExitFail
	case unknown:
		return ExitUnknown
	}
	return ExitPass
}

// Fails reports whether a result makes a run fail; see ExitCode.
func (r Result) Fails(p Policy) bool {
	switch r.Verdict {
	case Fail:
		return true
	case Unknown:
		return !p.AllowUnknown
	case Vacuous:
		return p.Strict && (r.Expected || r.Class != Infrastructure)
	}
	return false
}

// Judge runs the checkers over a trace. expect are the invariants to judge beside those that are always judged; nil means
// those of the trace's run event. Wrong expectations give Check's error. A trace that is cut short or was altered is judged as
// far as it goes: see Judgement.Incomplete.
func Judge(events Events, expect []trace.Expectation) (*Judgement, error) {
	if err := Check(expect); err != nil {
		return nil, err
	}
	j := judge{expect: expect}
	s, err := replay.Play(events, j.observe)
	var (
		cut     *trace.TruncatedError
		altered *trace.AlteredError
	)
	switch {
	case s == nil:
		return nil, err
	case errors.As(err, &cut):
		err = fmt.Errorf("the trace is cut short: %w", cut)
	case err != nil && !errors.As(err, &altered):
		return nil, err
	}
	return j.finish(s, err, altered != nil), nil
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

func (j *judge) finish(s *replay.State, damage error, altered bool) *Judgement {
	out := &Judgement{Run: *s.Run, Incomplete: s.Incomplete(), Summary: summarize(s), Altered: altered || s.Missing() != ""}
	switch {
	case damage != nil:
		out.Incomplete = damage.Error()
	case out.Incomplete == "" && s.Contradiction() != "":
		out.Incomplete = "the trace contradicts itself: " + s.Contradiction()
	}
	if s.End != nil {
		out.Interrupted, out.Error = s.End.Interrupted, s.End.Error
	}
	for _, c := range j.checkers {
		r := c.Finish(s)
		if lacks := c.def.Missing(shown(&s.Facts)); len(lacks) > 0 && r.Verdict != NotApplicable && (r.Verdict != Fail || c.def.Class != Safety) {
			r = r.notApplicable(fmt.Sprintf("this chain does not show %s", lacks[0]))
		}
		if x, ok := c.Checker.(summarizer); ok {
			x.summarize(s, &out.Summary)
		}
		if !c.expected && !c.def.Always {
			continue
		}
		if c.def.Quiet && !c.expected && (r.Verdict == Vacuous || r.Verdict == NotApplicable) {
			continue
		}
		r.Invariant, r.Class, r.Expected = c.def.Name, c.def.Class, c.expected
		out.Results = append(out.Results, c.def.qualify(s, r, out))
	}
	return out
}

// shown are the observations that runs of a chain can show.
func shown(f *replay.Facts) []Observation {
	list := []Observation{ObserveBlocks, ObservePeers}
	if !f.Polled() {
		list = append(list, ObserveRestored, ObserveAttacks)
	}
	if len(f.Genesis) > 0 || !f.Polled() {
		list = append(list, ObserveEncoding)
	}
	if !f.NoTxs {
		list = append(list, ObserveTxs)
	}
	if !f.NoSubmit {
		list = append(list, ObserveSubmit)
	}
	return list
}

// qualify withholds verdicts that an incomplete history does not support. A violation that was seen stays one: checkers fail on
// nothing that missing reports could undo; but where recorded events were removed, nothing shows that something did not happen.
// What is wrong with times alone may be the machine's doing. What ended the run or cut its history short is stated once, with the
// judgement.
func (d *Definition) qualify(s *replay.State, r Result, j *Judgement) Result {
	switch {
	case r.Verdict == Fail && r.Class == Liveness && j.Altered:
		return r.unknown("the history is not complete")
	case r.Verdict == Fail && (r.Timed || r.Class == Liveness) && s.TimesUncertain() != "":
		return r.unknown(s.TimesUncertain() + "; otherwise: " + r.Reason)
	case r.Verdict == Fail, r.Verdict == Unknown, r.Verdict == NotApplicable:
		return r
	case j.Incomplete != "":
		return r.unknown("the history is not complete")
	case r.Class == Infrastructure && s.Unmeasured() != "":
		return r.unknown(s.Unmeasured())
	case slices.Contains(d.Needs, ObserveSubmit) && s.Unsubmitted() != "":
		return r.unknown(s.Unsubmitted())
	case r.Class == Liveness && j.Interrupted:
		return r.unknown("the run was interrupted")
	case r.Class == Liveness && j.Error != "":
		return r.unknown("the run ended early")
	case s.Gap() != "" && d.Reports == ReportsSome && s.Unreadable() != "":
		return r.unknown(s.Unreadable())
	case s.Gap() != "" && d.Reports != ReportsNone && !(d.Reports == ReportsSome && r.Verdict == Pass):
		return r.unknown(s.Gap())
	case r.Verdict == Pass && s.Unobserved() != "" && r.Class != Infrastructure && d.Reports == ReportsAll:
		return r.unknown(s.Unobserved())
	case r.Verdict == Pass && s.Blocks.Len() < 2:
		return r.vacuous("no block was made")
	}
	return r
}
