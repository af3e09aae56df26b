package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/invariant/replay"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

const (
	// drawAfter is how long a step takes before the live line appears: for a shorter one it would only flicker.
	drawAfter = 300 * time.Millisecond
	// redrawEvery is how often the live line is drawn anew.
	redrawEvery = 200 * time.Millisecond
	// lineEvery is how often a run's state is printed where there is no live line.
	lineEvery = 10 * time.Second
)

// progress shows what a long step does: one live line on a terminal, lines of plain text otherwise. It implements
// run.Progress.
type progress struct {
	w     io.Writer
	raw   io.Writer // for escape sequences
	live  bool
	width int // of w, in columns

	mu       sync.Mutex
	step     string // empty: no step is under way
	total    int    // parts of the step; 0: not known
	done     int
	began    time.Time
	snapshot *run.Snapshot // the last one of this step; nil: none
	printed  time.Time     // when a snapshot was printed as a line
	timer    *time.Timer   // draws the live line
	drawn    bool          // the live line is on the terminal
}

var _ run.Progress = (*progress)(nil)

func newProgress(e *env) *progress {
	p := &progress{w: e.stderr, raw: e.terminal, live: e.live, width: e.errWidth}
	if p.raw == nil {
		p.raw, p.width = e.stderr, widthOf(e.stderr)
	}
	if p.width == 0 {
		p.width = report.DefaultWidth
	}
	return p
}

// Phase implements run.Progress.
func (p *progress) Phase(text string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endStep()
	p.step, p.total, p.done, p.began, p.snapshot = text, total, 0, time.Now(), nil
	p.printed = p.began
	if !p.live {
		fmt.Fprintf(p.w, "  %s\n", text)
		return
	}
	p.timer = time.AfterFunc(drawAfter, p.tick)
}

// tick draws the live line again and again, while a step is under way.
func (p *progress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.draw()
		p.timer.Reset(redrawEvery)
	}
}

// Part implements run.Progress.
func (p *progress) Part() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = min(p.done+1, p.total)
}

// Update implements run.Progress.
func (p *progress) Update(s run.Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.snapshot = &s
	if !p.live && time.Since(p.printed) >= lineEvery {
		p.printed = time.Now()
		fmt.Fprintf(p.w, "  %s\n", describe(&s))
	}
}

// Note implements run.Progress.
func (p *progress) Note(at time.Duration, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintf(p.w, "  %7.1fs  %s\n", at.Seconds(), text)
	if p.timer != nil && time.Since(p.began) >= drawAfter {
		p.draw()
	}
}

// end removes the live line.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endStep()
}

// endStep replaces the live line with one that stays, with the time that the step took.
func (p *progress) endStep() {
	if p.timer == nil {
		return
	}
	p.timer.Stop()
	p.timer = nil
	p.erase()
	fmt.Fprintf(p.w, "  %s: %s\n", p.step, trace.Round(time.Since(p.began)))
}

// draw puts the live line on the terminal, in place of what is there.
func (p *progress) draw() {
	line := "  " + p.step + "  "
	switch {
	case p.snapshot != nil:
		line += describe(p.snapshot)
	case p.total > 0:
		line += fmt.Sprintf("%d/%d  %s", p.done, p.total, time.Since(p.began).Round(time.Second))
	default:
		line += time.Since(p.began).Round(time.Second).String()
	}
	p.erase()
	fmt.Fprint(p.w, clipped(line, p.width-1)) // a full line would wrap
	p.drawn = true
}

// erase removes the live line from the terminal.
func (p *progress) erase() {
	if p.drawn {
		fmt.Fprint(p.raw, "\r\x1b[K")
		p.drawn = false
	}
}

// describe says how a run stands: its time, the nodes that are up, their heights and chains, and the active faults.
func describe(s *run.Snapshot) string {
	height := fmt.Sprintf("height %d", s.MaxHeight)
	if s.MinHeight != s.MaxHeight {
		height = fmt.Sprintf("heights %d..%d", s.MinHeight, s.MaxHeight)
	}
	parts := []string{
		fmt.Sprintf("%s of %s", s.At.Round(time.Second), s.Duration), fmt.Sprintf("%d up", s.Up), height, invariant.Count(s.Chains, "chain"),
	}
	if s.At > s.Duration {
		parts[0] = s.At.Round(time.Second).String()
	}
	parts = append(parts, s.ActiveFaults...)
	switch {
	case s.Busy.Late >= replay.LateTimer:
		parts = append(parts, fmt.Sprintf("machine late by %s", trace.Round(s.Busy.Late)))
	case replay.IsLate(&s.Busy):
		parts = append(parts, "no free CPU")
	}
	return strings.Join(parts, "  ")
}
