package invariant

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

// forecast returns the verdicts of a forecast by invariant.
func forecast(t *testing.T, facts trace.Facts, shows Shows) map[string]Result {
	t.Helper()
	results, err := Forecast(facts, shows)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]Result)
	for _, r := range results {
		out[r.Invariant] = r
	}
	if len(out) != len(Definitions()) {
		t.Errorf("%d invariants are forecast, there are %d", len(out), len(Definitions()))
	}
	return out
}

var foreignFacts = map[string]trace.Facts{
	"btcd":     {Family: "pow", ForkDepth: 6},
	"cometbft": {Family: "bft", Quorum: 2. / 3},
	"geth":     {Family: "poa", Quorum: .5, ForkDepth: 4},
}

func TestForecastOfGoodRuns(t *testing.T) {
	for name, facts := range foreignFacts {
		for _, interval := range []time.Duration{100 * ms, time.Second, 2 * time.Second} {
			facts.BlockInterval, facts.Resolution = interval, 100*ms
			for invariant, r := range forecast(t, facts, Shows{Txs: true}) {
				want := Pass
				switch invariant {
				case "validity":
					want = Unknown
				case "crash_recovery":
					want = Vacuous
				}
				if r.Verdict != want {
					t.Errorf("%s at %s: %s is %s (%s; %s), want %s", name, interval, invariant, r.Verdict, r.Figure, r.Reason, want)
				}
			}
		}
	}
}

func TestForecastOfWhatAChainDoesNotShow(t *testing.T) {
	facts := trace.Facts{Family: "bft", Quorum: 2. / 3, BlockInterval: time.Second, Resolution: 100 * ms}
	r := forecast(t, facts, Shows{})["inclusion"]
	if r.Verdict != Unknown || !strings.Contains(r.Reason, "the chain does not show them") {
		t.Errorf("without transactions in blocks: %s (%s)", r.Verdict, r.Reason)
	}
	r = forecast(t, facts, Shows{Refused: "no way to submit", Txs: true})["inclusion"]
	if r.Verdict != Unknown || !strings.Contains(r.Reason, "no way to submit") {
		t.Errorf("without a way to submit: %s (%s)", r.Verdict, r.Reason)
	}
}

// TestForecastSaysWhatARealHistoryGets compares the forecast with verdicts on a history that was made otherwise.
func TestForecastSaysWhatARealHistoryGets(t *testing.T) {
	h := halves(t, 68*time.Second)
	f := forecast(t, h.run.Chain, Shows{Refused: "none"})
	for _, d := range Definitions() {
		if d.Name == "inclusion" {
			continue // nobody submitted anything in that history
		}
		r := h.result(d.Name)
		if got := f[d.Name]; got.Verdict != r.Verdict || got.Inherent != r.Inherent {
			t.Errorf("%s: forecast %s (%s), judged %s (%s)", d.Name, got.Verdict, got.Reason, r.Verdict, r.Reason)
		}
	}
}

func TestForecastOfRareBlocks(t *testing.T) {
	facts := trace.Facts{Family: "pow", ForkDepth: 6, BlockInterval: 10 * time.Minute, Resolution: 100 * ms}
	for name, r := range forecast(t, facts, Shows{Txs: true}) {
		if r.Verdict == Fail {
			t.Errorf("%s fails: %s", name, r.Reason)
		}
	}
	if r := forecast(t, facts, Shows{Txs: true})["agreement"]; r.Verdict == Pass {
		t.Errorf("agreement passes without a block")
	}
	if _, err := Forecast(trace.Facts{}, Shows{}); err == nil || !strings.Contains(fmt.Sprint(err), "block interval") {
		t.Errorf("error %v", err)
	}
}
