package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows what a long step is doing: one live line on a terminal, plain lines otherwise.
type progress struct {
	out  io.Writer
	live bool

	mu    sync.Mutex
	bars  *mpb.Progress
	bar   *mpb.Bar
	text  string
	total int
	done  int
	began time.Time
}

func (e *env) newProgress() *progress { return &progress{out: e.err, live: e.live} }

// Phase implements orchestrator.Progress.
func (p *progress) Phase(text string, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endPhase()
	p.text, p.total, p.done, p.began = text, total, 0, time.Now()
	if !p.live {
		fmt.Fprintf(p.out, "  %s\n", text)
		return
	}
	p.bars = mpb.New(mpb.WithOutput(p.out), mpb.WithWidth(24))
	p.bar = p.bars.New(int64(total), mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]"),
		mpb.PrependDecorators(decor.Name("  "+text+" ")),
		mpb.AppendDecorators(decor.CountersNoUnit("%d/%d")),
		mpb.BarRemoveOnComplete())
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
	p.endPhase()
}

func (p *progress) endPhase() {
	if p.bars == nil {
		return
	}
	p.bar.Abort(true)
	p.bars.Wait()
	fmt.Fprintf(p.out, "  %s: %s\n", p.text, time.Since(p.began).Round(10*time.Millisecond))
	p.bars, p.bar = nil, nil
}
