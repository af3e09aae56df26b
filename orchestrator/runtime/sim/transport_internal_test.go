package sim

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node"
)

func TestBackend_EndedProcess(t *testing.T) {
	l := launchAll(t, "a")
	h := l.r.w.names["a"]
	b := backend{r: l.r, h: h, life: h.life}
	ran := false
	fn := func(*node.Node, node.Time) []node.Effect { ran = true; return nil }
	if err := b.Do(t.Context(), fn); err != nil || !ran {
		t.Fatalf("running: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Do(ctx, fn); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled context: %v", err)
	}
	if err := b.Do(t.Context(), func(*node.Node, node.Time) []node.Effect { panic("ouch") }); !errors.Is(err, errGone) {
		t.Errorf("panic: %v, want errGone", err)
	}
	if !slices.Equal(l.sink.exits, []string{"a: panic: ouch"}) {
		t.Errorf("exits %q", l.sink.exits)
	}
	l.do(faults.Start, "a")
	if err := b.Do(t.Context(), fn); !errors.Is(err, errGone) {
		t.Errorf("an earlier process: %v, want errGone", err)
	}
}
