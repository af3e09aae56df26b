package cli

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/faults/shape"
)

func TestExamine(t *testing.T) {
	engine := func(context.Context) (string, error) { return "28.5", nil }
	none := func(context.Context) (string, error) { return "", errors.New("no answer") }
	kernel := func(context.Context) []shape.CheckResult {
		return []shape.CheckResult{
			{Name: "cut links", OK: true, Text: "nftables"},
			{Name: "delay links", Text: "no queue", Hint: "modprobe it"},
			{Name: "sch_netem", Optional: true, Text: "not there", Hint: "not needed"},
		}
	}
	got := checkRows(examine(t.Context(), engine, kernel, true))[1:]
	if d := cmp.Diff([][]string{
		{"Docker Engine", "ok", "28.5", ""},
		{"cut links", "ok", "nftables", ""},
		{"delay links", "missing", "no queue", "modprobe it"},
		{"sch_netem", "-", "not there", "not needed"},
	}, got); d != "" {
		t.Errorf("as root (-want +got):\n%s", d)
	}
	got = checkRows(examine(t.Context(), none, kernel, false))[1:]
	if d := cmp.Diff([][]string{
		{"Docker Engine", "missing", "no answer", "--runtime sim needs no engine"},
		{"kernel", "-", "not tested: that needs root", "run sudo netsplit doctor to test whether links can be cut and delayed"},
	}, got); d != "" {
		t.Errorf("without root and engine (-want +got):\n%s", d)
	}
}
