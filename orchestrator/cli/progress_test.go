package cli

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPlainProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{out: &out}
	p.Phase("starting 2 nodes", 2)
	p.Part()
	p.Phase("running", 10)
	p.Note(12340*time.Millisecond, "partition-1: healed")
	p.end()
	p.end()
	if want := "  starting 2 nodes\n  running\n     12.3s  partition-1: healed\n"; out.String() != want {
		t.Errorf("got\n%s", &out)
	}
}

func TestQuickStepsAreNotDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := &progress{out: &out, live: true}
		p.Phase("starting", 2)
		time.Sleep(drawAfter - time.Millisecond)
		p.Note(0, "a note")
		p.Phase("connecting", 2)
		time.Sleep(drawAfter - time.Millisecond)
		if p.bars != nil {
			t.Error("drawn too early")
		}
		p.end()
		time.Sleep(time.Hour) // nothing is drawn after the end
		if p.bars != nil {
			t.Error("drawn after the end")
		}
		if want := "  starting: 300ms\n"; !strings.Contains(out.String(), want) || strings.Contains(out.String(), "\x1b") {
			t.Errorf("got %q", out.String())
		}
	})
}

func TestLongStepsAreDrawn(t *testing.T) {
	for _, total := range []int{0, 3} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			p := &progress{out: &out, live: true}
			p.Phase("settling", total)
			p.Part()
			time.Sleep(drawAfter + time.Millisecond)
			synctest.Wait()
			if p.bars == nil || p.bar == nil {
				t.Fatal("not drawn")
			}
			if total > 0 && p.bar.Current() != 1 {
				t.Errorf("the bar begins at %d", p.bar.Current())
			}
			for range 5 { // more parts than were announced
				p.Part()
			}
			p.Note(time.Second, "a note")
			p.Phase("next", 0)
			if p.bars != nil {
				t.Error("the bar of an earlier step stays")
			}
			p.end()
			for _, want := range []string{"     1.0s  a note\n", "  settling: 300ms\n", "  next: 0s\n"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in %q", want, out.String())
				}
			}
		})
	}
}
