package external

import (
	"strings"
	"testing"
)

func TestFinalHeightsAreTold(t *testing.T) {
	for _, c := range []struct{ name, file string }{
		{"a call of its own", "finalized: {call: final, jq: .}\n  peers:"},
		{"the call of the height", "finalized: {call: height, jq: 'if . > 2 then . - 2 else null end'}\n  peers:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, parse(t, plain, "peers: {call: peers", c.file+" {call: peers", "  peers: {method: peers}", "  peers: {method: peers}\n  final: {method: final}"))
			y := w.toys[0]
			y.set(1, "p", "q")
			if got, want := w.look("a"), "+p p +q q head 2 q (was )"; got != want {
				t.Errorf("nothing is final: %s, want %s", got, want)
			}
			y.final = 2
			y.set(3, "r", "s")
			if got, want := w.look("a"), "+r r +s s head 4 s (was q) final 2 q"; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			if got := w.look("a"); got != "" {
				t.Errorf("nothing changed: %s", got)
			}
		})
	}
	t.Run("without a new head, and back", func(t *testing.T) {
		w := newWorld(t, 1, parse(t, plain, "peers: {call: peers", "finalized: {call: final, jq: .}\n  peers: {call: peers", "  peers: {method: peers}", "  peers: {method: peers}\n  final: {method: final}"))
		y := w.toys[0]
		y.set(1, "p", "q", "r")
		w.look("a")
		for _, c := range []struct {
			final int
			want  string
		}{{3, "final 3 r"}, {2, "final 2 q"}, {9, "final 9 "}} { // the last is above its head: told as the node tells it
			y.final = c.final
			if got := w.look("a"); got != c.want {
				t.Errorf("final %d: %q, want %q", c.final, got, c.want)
			}
		}
	})
	t.Run("no number", func(t *testing.T) {
		w := newWorld(t, 1, parse(t, plain, "peers: {call: peers", "finalized: {call: head, jq: .}\n  peers: {call: peers"))
		_, err := w.poll(t.Context(), "a")
		if err == nil || !strings.Contains(err.Error(), "observe.finalized: jq . gives x-g, which is not a whole number") {
			t.Errorf("%v", err)
		}
	})
}

// TestTheFinalHeightIsAskedForFirst: what is final when it is asked for is on the chain that is read after it. A node that
// changes chains in between and calls the new block final has broken no promise.
func TestTheFinalHeightIsAskedForFirst(t *testing.T) {
	w := newWorld(t, 1, parse(t, plain, "peers: {call: peers", "finalized: {call: final, jq: .}\n  peers: {call: peers", "  peers: {method: peers}", "  peers: {method: peers}\n  final: {method: final}"))
	y := w.toys[0]
	y.set(1, "p")
	w.look("a")
	y.set(2, "q")
	y.hook = func(y *toy, method string, _ int) *RPCError {
		if method == "height" {
			y.replace(2, "z", "zz")
			y.final = 2
			y.hook = nil
		}
		return nil
	}
	if got, want := w.look("a"), "+z z +zz zz head 3 zz (was p)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := w.look("a"), "final 2 z"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
