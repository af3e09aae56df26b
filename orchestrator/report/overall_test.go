package report

import (
	"testing"

	"github.com/netsplit/netsplit/orchestrator/invariant"
)

func TestOverall_WorstVerdict(t *testing.T) {
	result := func(v invariant.Verdict, expected bool) invariant.Result {
		return invariant.Result{Verdict: v, Expected: expected}
	}
	for _, c := range []struct {
		name string
		j    invariant.Judgement
		want invariant.Verdict
	}{
		{"nothing judged", invariant.Judgement{}, invariant.Unknown},
		{"all hold", invariant.Judgement{Results: []invariant.Result{result(invariant.Pass, true)}}, invariant.Pass},
		{"one about the testnet had nothing to judge", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Pass, true), {Verdict: invariant.Vacuous, Class: invariant.Infrastructure}}}, invariant.Pass},
		{"one about the nodes had nothing to judge", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Pass, true), result(invariant.Vacuous, false)}}, invariant.Vacuous},
		{"one had nothing to judge, expected", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Pass, true), result(invariant.Vacuous, true)}}, invariant.Vacuous},
		{"unknown over vacuous", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Vacuous, true), result(invariant.Unknown, false)}}, invariant.Unknown},
		{"fail over all", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Fail, false), result(invariant.Unknown, true)}}, invariant.Fail},
		{"one not applicable", invariant.Judgement{Results: []invariant.Result{
			result(invariant.Pass, true), result(invariant.NotApplicable, true)}}, invariant.Pass},
		{"none applicable", invariant.Judgement{Results: []invariant.Result{result(invariant.NotApplicable, true)}}, invariant.Unknown},
		{"interrupted", invariant.Judgement{Interrupted: true, Results: []invariant.Result{result(invariant.Pass, true)}}, invariant.Unknown},
		{"ended by an error", invariant.Judgement{Error: "x", Results: []invariant.Result{result(invariant.Pass, true)}}, invariant.Unknown},
	} {
		if got := overall(&c.j); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
