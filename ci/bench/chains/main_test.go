package main

import (
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant"
)

func TestFormatPropagation(t *testing.T) {
	const ms = time.Millisecond
	p := &invariant.PropagationSummary{Delays: invariant.Delays{P50: 44 * ms, P95: 400 * ms}}
	if got := formatPropagation(p); got != "44ms / 400ms" {
		t.Errorf("exact: %q", got)
	}
	p.Low, p.High = &invariant.Delays{P50: 44 * ms, P95: 150 * ms}, &invariant.Delays{P50: 44 * ms, P95: 650 * ms}
	if got := formatPropagation(p); got != "44ms / 150..650ms" {
		t.Errorf("p95 in a range: %q", got)
	}
}
