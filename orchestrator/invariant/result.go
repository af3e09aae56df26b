package invariant

import (
	"fmt"
	"math"
)

func (r Result) vacuous(reason string) Result { return r.with(Vacuous, reason) }

func (r Result) unknown(reason string) Result { return r.with(Unknown, reason) }

func (r Result) fail(reason string) Result { return r.with(Fail, reason) }

func (r Result) with(v Verdict, reason string) Result {
	r.Verdict, r.Reason = v, reason
	return r
}

// poissonFloor is the largest k with P(X < k) < maxFalseAlarm for X Poisson-distributed with the given mean: seeing
// fewer than k when mean were expected is not chance.
func poissonFloor(mean float64) int {
	if !(mean > 0) || math.IsInf(mean, 1) {
		return 0
	}
	sum := 0.0
	logTerm := -mean // log P(X = k)
	for k := 0; ; k++ {
		if sum += math.Exp(logTerm); sum >= maxFalseAlarm {
			return k
		}
		logTerm += math.Log(mean) - math.Log(float64(k+1))
	}
}

// maxFalseAlarm is the probability with which a growth check may fail a healthy chain.
const maxFalseAlarm = 1e-6

// Count prints a number of things: "1 node", "2 nodes".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
