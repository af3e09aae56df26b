package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/netsplit/netsplit/faults"
)

// delayTolerance is how far the median delay of a link may be from what was asked, beside the jitter.
const delayTolerance = 10 * time.Millisecond

// measuredSummary sums up what a probe found on the links that a fault changes.
type measuredSummary struct {
	Links    int    `json:"links"`
	Measured int    `json:"measured"`
	Asked    string `json:"asked"`
	Got      string `json:"got"`
	Wrong    int    `json:"wrong"` // links on which something else was measured than asked
}

// summarise compares measurements with the desired state.
func summarise(want faults.Links, measured []faults.Measurement) measuredSummary {
	s := measuredSummary{Measured: len(measured)}
	var cut, silent int
	var medians []time.Duration
	var delay time.Duration
	for _, m := range measured {
		state := want.On(m.Link)
		if m.Received == 0 {
			silent++
		} else {
			medians = append(medians, m.Median)
		}
		switch {
		case state.Cut:
			cut++
			if m.Received > 0 {
				s.Wrong++
			}
		case m.Received == 0, (m.Median - state.Shape.Delay).Abs() > state.Shape.Jitter+delayTolerance:
			s.Wrong++
		}
		if !state.Cut {
			delay = max(delay, state.Shape.Delay)
		}
	}
	s.Asked = fmt.Sprintf("%d cut", cut)
	s.Got = fmt.Sprintf("%d silent", silent)
	if len(medians) > 0 && delay > 0 {
		slices.Sort(medians)
		s.Asked += fmt.Sprintf(", delay %s", delay)
		s.Got += fmt.Sprintf(", median delay %s", medians[len(medians)/2].Round(100*time.Microsecond))
	}
	return s
}
