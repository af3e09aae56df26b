package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netsplit/netsplit/orchestrator/run"
)

var halved = run.Snapshot{
	At: 34 * time.Second, Duration: 90 * time.Second, Up: 9, MinHeight: 30, MaxHeight: 36, Chains: 2,
	ActiveFaults: []string{"partition-1", "kill-1"},
}

func TestDescribe(t *testing.T) {
	whole := run.Snapshot{At: 95 * time.Second, Duration: 90 * time.Second, Up: 10, MinHeight: 40, MaxHeight: 40, Chains: 1}
	for want, s := range map[string]run.Snapshot{
		"34s of 1m30s  9 up  heights 30..36  2 chains  partition-1  kill-1": halved,
		"1m35s  10 up  height 40  1 chain":                                  whole,
	} {
		if got := describe(&s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestProgress_Plain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&env{stderr: &out})
		p.Phase("starting 2 nodes", 2)
		p.Part()
		p.Phase("running", 10)
		p.Update(halved)
		p.Note(12340*time.Millisecond, "partition-1: healed")
		time.Sleep(lineEvery)
		p.Update(halved)
		p.Update(halved)
		p.end()
		p.end()
		want := "  starting 2 nodes\n  running\n     12.3s  partition-1: healed\n  34s of 1m30s  9 up  heights 30..36  2 chains  partition-1  kill-1\n"
		if out.String() != want {
			t.Errorf("got\n%s", &out)
		}
	})
}

// screen is what a terminal of one live line shows.
func screen(out string) string {
	for i := strings.Index(out, "\r\x1b[K"); i >= 0; i = strings.Index(out, "\r\x1b[K") {
		out = out[:strings.LastIndex(out[:i], "\n")+1] + out[i+len("\r\x1b[K"):]
	}
	return out
}

func TestProgress_Live(t *testing.T) {
	for _, c := range []struct {
		name  string
		total int
		steps func(p *progress)
		want  string
	}{
		{"short steps are not drawn", 2, func(p *progress) {
			time.Sleep(drawAfter - time.Millisecond)
			p.Note(0, "a note")
		}, "      0.0s  a note\n"},
		{"parts", 3, func(p *progress) {
			for range 5 { // more than announced
				p.Part()
			}
			time.Sleep(2 * time.Second)
		}, "  settling  3/3  2s"},
		{"no parts", 0, func(*progress) { time.Sleep(5 * time.Second) }, "  settling  5s"},
		{"state of a run", 90, func(p *progress) {
			p.Update(halved)
			time.Sleep(time.Second)
		}, "  settling  34s of 1m30s  9 up  heights 30..36  2 chains  partition-1  kill-1"},
		{"a note is above the line", 0, func(p *progress) {
			time.Sleep(time.Second)
			p.Note(time.Second, "a note")
		}, "      1.0s  a note\n  settling  1s"},
		{"the next step ends the line", 0, func(p *progress) {
			time.Sleep(time.Second)
			p.Phase("next", 0)
		}, "  settling: 1s\n"},
		{"nothing is drawn after the end", 0, func(p *progress) {
			time.Sleep(time.Second)
			p.end()
			time.Sleep(time.Hour)
		}, "  settling: 1s\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				p := newProgress(&env{stderr: &out, live: true})
				p.Phase("settling", c.total)
				c.steps(p)
				synctest.Wait()
				p.mu.Lock()
				if got := screen(out.String()); got != c.want {
					t.Errorf("%q, want %q", got, c.want)
				}
				p.mu.Unlock()
				p.end()
			})
		})
	}
}

func TestProgress_LineFitsTheTerminal(t *testing.T) {
	t.Setenv("COLUMNS", "40")
	p := newProgress(&env{stderr: io.Discard, live: true})
	var out bytes.Buffer
	p.w, p.step, p.snapshot = &out, "running halved-brain for 1m30s", &halved
	p.draw()
	if got := out.String(); len([]rune(got)) != 39 || !strings.HasSuffix(got, "…") {
		t.Errorf("%q", got)
	}
}
