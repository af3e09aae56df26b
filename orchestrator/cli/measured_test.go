package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/faults"
)

func TestSummarise(t *testing.T) {
	const ms = time.Millisecond
	a, b := []faults.NodeID{"a"}, []faults.NodeID{"b"}
	ab, ba := faults.Link{From: "a", To: "b"}, faults.Link{From: "b", To: "a"}
	got := func(l faults.Link, received int, median time.Duration) faults.Measurement {
		return faults.Measurement{Link: l, Sent: 5, Received: received, Median: median}
	}
	cut := faults.Links{Rules: []faults.Rule{{From: a, To: b, Cut: true}}}
	slow := faults.Links{Rules: []faults.Rule{{From: a, To: b, Shape: faults.Shape{Delay: 100 * ms, Jitter: 20 * ms}}}}
	for _, c := range []struct {
		name     string
		want     faults.Links
		measured []faults.Measurement
		sum      measuredSummary
	}{
		{"nothing", faults.Links{}, nil, measuredSummary{Asked: "0 cut", Got: "0 silent"}},
		{"a cut that holds", cut, []faults.Measurement{got(ab, 0, 0), got(ba, 5, ms)}, measuredSummary{Measured: 2, Asked: "1 cut", Got: "1 silent"}},
		{"a cut that leaks", cut, []faults.Measurement{got(ab, 1, ms)}, measuredSummary{Measured: 1, Asked: "1 cut", Got: "0 silent", Wrong: 1}},
		{"a whole link that is silent", cut, []faults.Measurement{got(ba, 0, 0)}, measuredSummary{Measured: 1, Asked: "0 cut", Got: "1 silent", Wrong: 1}},
		{"a delay within the jitter", slow, []faults.Measurement{got(ab, 5, 125*ms)},
			measuredSummary{Measured: 1, Asked: "0 cut, delay 100ms", Got: "0 silent, median delay 125ms"}},
		{"a delay that did not bite", slow, []faults.Measurement{got(ab, 5, ms)},
			measuredSummary{Measured: 1, Asked: "0 cut, delay 100ms", Got: "0 silent, median delay 1ms", Wrong: 1}},
		{"a delay where none was asked", slow, []faults.Measurement{got(ba, 5, 50*ms), got(ab, 5, 100*ms)},
			measuredSummary{Measured: 2, Asked: "0 cut, delay 100ms", Got: "0 silent, median delay 100ms", Wrong: 1}},
	} {
		if d := cmp.Diff(c.sum, summarise(c.want, c.measured)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
