package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/netsplit/netsplit/orchestrator/run"
)

// drawAfter is how long a step may take without a live line: what is over sooner would only flicker.
const drawAfter = 300 * time.Millisecond

// progress shows what a long step is doing: one live line on a terminal, plain lines otherwise. It implements
// orchestrator.Progress.
type progress struct {
	out  io.Writer
	live bool

	mu    sync.Mutex
	step  int // counts steps
	text  string
	total int
	done  int
	began time.Time
	timer *time.Timer   // draws the live line; nil when no step is under way
	bars  *mpb.Progress // nil until the line is drawn
	bar   *mpb.Bar
}

func newProgress(e *env) *progress { return &progress{out: e.stderr, live: e.live} }

// Phase implements orchestrator.Progress.
func (p *progress) Phase(text string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endStep()
	p.step++
	p.text, p.total, p.done, p.began = text, total, 0, time.Now()
	if !p.live {
		fmt.Fprintf(p.out, "  %s\n", text)
		return
	}
	step := p.step
	p.timer = time.AfterFunc(drawAfter, func() { p.draw(step) })
}

// draw begins to draw the live line of a step, unless the step has ended meanwhile.
func (p *progress) draw(step int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.step != step || p.timer == nil {
		return
	}
	p.bars = mpb.New(mpb.WithOutput(p.out), mpb.WithWidth(24), mpb.WithAutoRefresh())
	name := mpb.PrependDecorators(decor.Name("  " + p.text + " "))
	if p.total == 0 {
		p.bar = p.bars.New(0, mpb.SpinnerStyle("|", "/", "-", "\\"), name, mpb.BarRemoveOnComplete(), mpb.BarWidth(1))
		return
	}
	p.bar = p.bars.New(int64(p.total), mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		name, mpb.AppendDecorators(decor.CountersNoUnit("%d/%d")), mpb.BarRemoveOnComplete())
	p.bar.SetCurrent(int64(p.done))
}

// Part implements orchestrator.Progress.
func (p *progress) Part() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if p.bar != nil && p.done <= p.total {
		p.bar.Increment()
	}
}

// Update implements run.Progress.
func (p *progress) Update(s run.Snapshot) {
	if s.At <= s.Duration {
		p.Part()
	}
}

// Note implements orchestrator.Progress.
func (p *progress) Note(at time.Duration, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf("  %7.1fs  %s\n", at.Seconds(), text)
	if p.bars != nil {
		_, _ = p.bars.Write([]byte(line))
		return
	}
	fmt.Fprint(p.out, line)
}

// end takes the live line away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endStep()
}

// endStep replaces the live line by one that stays, with the time that the step took.
func (p *progress) endStep() {
	if p.timer == nil {
		return
	}
	p.timer.Stop()
	p.timer = nil
	if p.bars != nil {
		p.bar.Abort(true)
		p.bars.Wait()
		p.bars, p.bar = nil, nil
	}
	fmt.Fprintf(p.out, "  %s: %s\n", p.text, time.Since(p.began).Round(10*time.Millisecond))
}
