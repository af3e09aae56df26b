package invariant

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netsplit/netsplit/orchestrator/trace"
)

func TestDrawAtLeast(t *testing.T) {
	for _, c := range []struct {
		size, marked, n, k int
		want               float64
	}{{10, 5, 5, 5, 1. / 252}, {10, 5, 5, 0, 1}, {10, 0, 5, 1, 0}, {10, 10, 5, 5, 1}, {4, 2, 2, 1, 5. / 6}} {
		if got := drawAtLeast(c.size, c.marked, c.n, c.k); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

// Where lateness has nothing to do with the sender, no sender is found more often than is stated.
func TestInclusion_SenderFalseAlarmRate(t *testing.T) {
	const runs, alarm, senders = 4000, .05, 8
	rng := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range runs {
		var judged, late [senders]int
		all, bad := 0, 0
		for range 60 { // blocks come at random: what is late comes in bursts
			burst := rng.IntN(12) == 0
			for range rng.IntN(12) {
				k := rng.IntN(senders)
				judged[k]++
				if all++; burst {
					late[k]++
					bad++
				}
			}
		}
		for k := range judged {
			if drawAtLeast(all, bad, judged[k], late[k])*senders < alarm {
				found++
				break
			}
		}
	}
	if found > alarm*runs+40 || found == 0 {
		t.Errorf("%d of %d runs, at a false-alarm rate of %v", found, runs, alarm)
	}
}

func TestInclusionTime(t *testing.T) {
	facts := &trace.Facts{BlockInterval: 2 * time.Second}
	expect := func(params map[string]string) []trace.Expectation {
		return []trace.Expectation{{Name: "agreement"}, {Name: "inclusion", Params: params}}
	}
	for _, c := range []struct {
		within string
		want   time.Duration
	}{{"", 30 * time.Second}, {"5s", 30 * time.Second}, {"40s", 40 * time.Second}} {
		params := map[string]string{"within": c.within}
		if c.within == "" {
			params = nil
		}
		if got, ok := InclusionTime(expect(params), facts); got != c.want || !ok {
			t.Errorf("within %q: %v", c.within, got)
		}
	}
	if _, ok := InclusionTime(nil, facts); ok {
		t.Error("nothing is expected")
	}
}
