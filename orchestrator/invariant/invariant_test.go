package invariant

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestWorst_KeepsTheWorstInOrder(t *testing.T) {
	var w worst
	made := 0
	for i, weight := range []float64{3, 1, 9, 3, 2, 8, 7, 1, 9} {
		w.add(weight, func() Evidence {
			made++
			return Evidence{At: time.Duration(i), Text: fmt.Sprint(weight)}
		})
	}
	var got []string
	for _, e := range w.evidence {
		got = append(got, fmt.Sprintf("%s at %d", e.Text, e.At))
	}
	// Of equal ones the earlier comes first.
	if d := cmp.Diff([]string{"9 at 2", "9 at 8", "8 at 5", "7 at 6", "3 at 0"}, got); d != "" {
		t.Error(d)
	}
	if w.count != 9 || made != 8 {
		t.Errorf("counted %d, made %d", w.count, made)
	}
}

func TestSameReason(t *testing.T) {
	some := []Evidence{{Text: "x"}}
	groups := SameReason([]Result{
		{Invariant: "a", Verdict: Pass},
		{Invariant: "b", Verdict: Unknown, Reason: "gap"},
		{Invariant: "c", Verdict: Fail, Reason: "gap", Evidence: some},
		{Invariant: "d", Verdict: Unknown, Reason: "gap"},
		{Invariant: "e", Verdict: Unknown, Reason: "gap", Evidence: some},
		{Invariant: "f", Verdict: Vacuous, Reason: "gap"},
		{Invariant: "g", Verdict: Pass},
	})
	var got []string
	for _, g := range groups {
		got = append(got, Names(g))
	}
	if d := cmp.Diff([]string{"a", "b, d", "c", "e", "f", "g"}, got); d != "" {
		t.Error(d)
	}
}

func blockNamed(prefix string, depth, i int) trace.Hash {
	return trace.Hash(fmt.Sprint(prefix, depth, "-", i))
}

// Reorganisations of growing depth: the deepest is stated, and comes first.
func TestAgreement_WorstFirst(t *testing.T) {
	h := newHistory(t, "a", "b")
	for depth := 3; depth <= 12; depth++ {
		fork := h.heads["a"]
		for i := range depth {
			h.sleep(time.Second)
			h.spread("a", blockNamed("x", depth, i))
		}
		parent := fork
		for i := range depth + 1 {
			h.mine("b", blockNamed("y", depth, i), parent)
			parent = blockNamed("y", depth, i)
			h.get("a", "b", parent)
		}
	}
	h.end(time.Second)
	r := h.result("agreement")
	want(t, r, Fail)
	if r.Metrics["deepest_reorg"] != 12 || len(r.Evidence) != MaxEvidence {
		t.Fatalf("%v, %d pieces of evidence", r.Metrics, len(r.Evidence))
	}
	for i, e := range r.Evidence {
		if text := fmt.Sprintf("a dropped %d blocks", 12-i); e.Text[:len(text)] != text {
			t.Errorf("evidence %d: %s", i, e.Text)
		}
	}
}
