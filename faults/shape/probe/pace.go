package probe

import (
	"time"

	"github.com/netsplit/netsplit/faults"
)

const (
	// spacing is the least time between two packets of one probe: 20,000 a second pass without disturbing the delays
	// that they measure.
	spacing = 50 * time.Microsecond
	// settle is the least time between the packets that go ahead and the first that are measured.
	settle = 5 * time.Millisecond
)

// timetable says when the packets of a probe leave: in rounds, one packet a link in each, spread evenly over the round
// so that no engine has to release them all at one moment.
type timetable struct {
	links  int
	rounds int
	round  time.Duration // from the start of one round to the start of the next
}

// newTimetable makes the timetable of a plan for a number of links, which is at least 1. Round 0 goes ahead.
func newTimetable(links int, plan faults.ProbePlan) timetable {
	return timetable{
		links:  links,
		rounds: plan.Count + 1,
		round:  max(plan.Interval, settle, time.Duration(links)*spacing),
	}
}

// at is when a link's packet of a round leaves, after the start.
func (t timetable) at(round, link int) time.Duration {
	return time.Duration(round)*t.round + t.round*time.Duration(link)/time.Duration(t.links)
}
