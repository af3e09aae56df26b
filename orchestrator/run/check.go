package run

import (
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets/scenario"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Check refuses, before anything starts, a spec that expects an unknown invariant or gives one wrong parameters, or that
// needs what the runtime cannot do. Errors about the spec are *strictyaml.Error, with positions. rt may be nil: then only the
// spec is checked.
func Check(spec *scenario.Spec, rt runtime.Runtime) error {
	if err := checkExpectations(spec); err != nil {
		return err
	}
	if rt == nil {
		return nil
	}
	planned, err := spec.PlanFaults()
	if err != nil {
		return err
	}
	_, shapes := rt.(runtime.LinkShaper)
	for i, f := range planned {
		if len(f.Effect.Links.Rules) > 0 && !shapes {
			return spec.ErrorAt(spec.Faults[i].Pos, f.Fault.Kind()+" changes links, which this runtime cannot do",
				"choose another with --runtime")
		}
	}
	return nil
}

// CheckChain refuses, before anything starts, a spec that needs what a chain's nodes cannot do. Errors are *strictyaml.Error.
func CheckChain(spec *scenario.Spec, ch chain.Chain) error {
	for _, g := range spec.Nodes {
		if g.Adversary != nil && !ch.Capabilities().Adversaries {
			return spec.ErrorAt(g.Pos, fmt.Sprintf("%q: nodes of this chain cannot be adversaries", g.Name),
				"only netsplit's own node can be one: leave --chain out")
		}
	}
	return nil
}

func checkExpectations(spec *scenario.Spec) error {
	var errs []error
	for i, e := range Expectations(spec) {
		err := invariant.Check([]trace.Expectation{e})
		var bad *invariant.ParamError
		switch {
		case errors.As(err, &bad):
			errs = append(errs, spec.ErrorAt(positionOf(spec.Expect[i], bad.Param), bad.Invariant+": "+bad.Msg, bad.Hint))
		case err != nil:
			errs = append(errs, spec.ErrorAt(spec.Expect[i].Pos, err.Error(), ""))
		}
	}
	return errors.Join(errs...)
}

// positionOf returns where in the file a parameter of an expectation is, or the expectation where it is not there.
func positionOf(e scenario.Expect, param string) strictyaml.Pos {
	for _, p := range e.Params {
		if p.Name == param {
			return p.Pos
		}
	}
	return e.Pos
}

// Expectations returns the invariants that a spec expects to hold, as they are recorded in the trace.
func Expectations(spec *scenario.Spec) []trace.Expectation {
	var out []trace.Expectation
	for _, e := range spec.Expect {
		x := trace.Expectation{Name: e.Name}
		for _, p := range e.Params {
			if x.Params == nil {
				x.Params = make(map[string]string, len(e.Params))
			}
			x.Params[p.Name] = p.Value
		}
		out = append(out, x)
	}
	return out
}
