package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

// fakeLog is a container's log as the engine keeps it. Readers get what is there; a following reader gets what comes
// until the log is ended.
type fakeLog struct {
	mu     sync.Mutex
	frames []logFrame
	ended  bool
	change chan struct{}
	// cut ends followed answers after that many frames; fail fails the next calls.
	cut   int
	fail  int
	calls []container.LogsOptions
}

type logFrame struct {
	at   time.Time
	text string
}

func newFakeLog() *fakeLog { return &fakeLog{change: make(chan struct{})} }

func (l *fakeLog) update(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn()
	close(l.change)
	l.change = make(chan struct{})
}

// at is a moment n nanoseconds into the log.
func at(n int64) time.Time { return time.Unix(1000, n).UTC() }

func (l *fakeLog) print(n int64, texts ...string) {
	l.update(func() {
		for _, s := range texts {
			l.frames = append(l.frames, logFrame{at(n), s})
		}
	})
}

func (l *fakeLog) end(ended bool) { l.update(func() { l.ended = ended }) }

func (l *fakeLog) ContainerLogs(ctx context.Context, _ string, o container.LogsOptions) (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, o)
	if l.fail != 0 {
		l.fail--
		return nil, errors.New("engine is away")
	}
	pr, pw := io.Pipe()
	go l.serve(ctx, pw, o)
	return pr, nil
}

func (l *fakeLog) serve(ctx context.Context, pw *io.PipeWriter, o container.LogsOptions) {
	out := stdcopy.NewStdWriter(pw, stdcopy.Stdout)
	stop := context.AfterFunc(ctx, func() { pw.CloseWithError(ctx.Err()) })
	defer stop()
	for next, sent := 0, 0; ; {
		l.mu.Lock()
		frames, ended, change, cut := l.frames[next:], l.ended, l.change, l.cut
		l.mu.Unlock()
		for _, f := range frames {
			next++
			if o.Since != "" && fmt.Sprintf("%d.%09d", f.at.Unix(), f.at.Nanosecond()) < o.Since {
				continue
			}
			text := f.text
			if o.Timestamps {
				text = f.at.Format("2006-01-02T15:04:05.000000000Z07:00") + " " + text
			}
			if _, err := io.WriteString(out, text); err != nil {
				return
			}
			if sent++; o.Follow && cut > 0 && sent == cut {
				pw.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
		}
		if !o.Follow || ended {
			pw.Close()
			return
		}
		select {
		case <-change:
		case <-ctx.Done():
			pw.CloseWithError(ctx.Err()) // which the deferred stop may have kept from being done
			return
		}
	}
}

// followed starts a follower of a node.
func followed(t *testing.T, log *fakeLog) (*node, *record) {
	return followedAs(t, log, &node{id: "n", inbox: newInbox()}, newFakeEngine())
}

func followedAs(t *testing.T, log *fakeLog, n *node, e inspector) (*node, *record) {
	rec := newRecord()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		newFollower(n.logs(log), e, n, rec).run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return n, rec
}

// A node that the kernel killed for memory says so, with the limit of its container; one that another process killed does too.
func TestFollower_Killed(t *testing.T) {
	for _, c := range []struct {
		name  string
		state fakeContainer
		want  string
	}{
		{"limit", fakeContainer{oom: true, memory: 24 << 20}, "killed by the kernel: memory limit 24 MiB: exited with status 137 after 0 lines"},
		{"host", fakeContainer{oom: true}, "killed by the kernel: out of memory, without a limit of its own: exited with status 137 after 0 lines"},
		{"killed", fakeContainer{memory: 24 << 20}, "node n was killed from outside netsplit: " + externalSignal},
		{"engine is away", fakeContainer{oom: true, err: errors.New("no answer")}, "exited with status 137 after 0 lines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, e := newFakeLog(), newFakeEngine()
				log.end(true)
				e.containers["c"] = &c.state
				n, rec := followedAs(t, log, &node{id: "n", container: "c", inbox: newInbox()}, e)
				n.reportStart(1)
				n.reportEnd(exitStatusError("137"))
				rec.until(t, "the exit", func() bool { return len(rec.exits["n"]) == 1 })
				must.Equal(t, c.want, rec.exits["n"][0])
			})
		})
	}
}

// The engine may note that the kernel killed a node after its end, or only by an event.
func TestFollower_LateOutOfMemory(t *testing.T) {
	for name, note := range map[string]func(c *fakeContainer, n *node){
		"state": func(c *fakeContainer, _ *node) { c.oom = true },
		"event": func(_ *fakeContainer, n *node) { n.reportMemory() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, e := newFakeLog(), newFakeEngine()
				log.end(true)
				e.containers["c"] = &fakeContainer{memory: 24 << 20}
				n, rec := followedAs(t, log, &node{id: "n", container: "c", inbox: newInbox()}, e)
				n.reportStart(1)
				n.reportEnd(exitStatusError("137"))
				synctest.Wait()
				must.Equal(t, 0, len(rec.exits["n"]))
				e.mu.Lock()
				note(e.containers["c"], n)
				e.mu.Unlock()
				rec.until(t, "the exit", func() bool { return len(rec.exits["n"]) == 1 })
				must.Equal(t, "killed by the kernel: memory limit 24 MiB: exited with status 137 after 0 lines", rec.exits["n"][0])
			})
		})
	}
}

// A log that cannot be read is no gap: that was said at the start.
func TestFollower_UnreadableLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog()
		log.fail = -1 // always
		n, rec := followedAs(t, log, &node{id: "n", unreadable: true, inbox: newInbox()}, newFakeEngine())
		n.reportStart(1)
		n.reportEnd(errors.New("died"))
		rec.until(t, "the exit", func() bool { return len(rec.exits["n"]) == 1 })
		if len(rec.gaps) != 0 || len(log.calls) != 0 {
			t.Errorf("gaps %v after %d requests", rec.gaps, len(log.calls))
		}
	})
}

func TestFollower_BrokenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog()
		log.cut = 3 // every answer breaks after three frames, of which some are old
		log.print(1, "a\n")
		log.print(2, "b\n", "c\n")
		log.print(3, "d\n")
		n, rec := followed(t, log)
		n.reportStart(1)
		rec.until(t, "d", func() bool { return len(rec.lines["n"]) > 0 && rec.lines["n"][len(rec.lines["n"])-1] == "d" })
		must.Equal(t, []string{"a", "b", "c", "d"}, rec.lines["n"])
	})
}

func TestFollower_DrainsBeforeExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog()
		log.print(1, "a\n")
		n, rec := followed(t, log)
		n.reportStart(1)
		rec.until(t, "a", func() bool { return len(rec.lines["n"]) == 1 })
		log.end(true) // the followed answer ends before the last line is there
		synctest.Wait()
		log.print(2, "last\n")
		n.reportEnd(errors.New("died"))
		rec.until(t, "the exit", func() bool { return len(rec.exits["n"]) == 1 })
		if got := rec.exits["n"][0]; got != "died after 2 lines" {
			t.Errorf("exit %q", got)
		}
		// Started again, it continues where it was.
		log.print(3, "again\n")
		n.reportStart(1)
		rec.until(t, "again", func() bool { return len(rec.lines["n"]) == 3 })
	})
}

func TestFollower_LeavesOpenLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog()
		n, rec := followed(t, log)
		n.reportStart(1)
		synctest.Wait()
		n.reportEnd(errors.New("died"))
		rec.until(t, "the exit", func() bool { return len(rec.exits["n"]) == 1 })
	})
}

func TestFollower_ReportsGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog()
		log.fail = -1 // always
		n, rec := followed(t, log)
		n.reportStart(1)
		rec.until(t, "the gap", func() bool { return len(rec.gaps) == 1 })
		if got := rec.gaps[0].Error(); !strings.Contains(got, "engine is away") {
			t.Errorf("gap %q", got)
		}
		n.reportEnd(nil)
		rec.until(t, "the exit", func() bool { return len(rec.exits["n"]) == 1 && len(rec.gaps) == 2 })
	})
}

func TestFollower_RetriesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog()
		log.fail = retries - 1
		log.print(1, "a\n")
		n, rec := followed(t, log)
		n.reportStart(1)
		rec.until(t, "a", func() bool { return len(rec.lines["n"]) == 1 })
		if len(rec.gaps) != 0 {
			t.Errorf("gaps %v", rec.gaps)
		}
	})
}

func TestLines(t *testing.T) {
	var got []string
	var gaps int
	l := lines{line: func(b []byte) { got = append(got, string(b)) }, gap: func(error) { gaps++ }}
	feed := func(n int64, text string) {
		t.Helper()
		must.Get(l.Write([]byte(at(n).Format(time.RFC3339Nano) + " " + text)))(t)
	}
	if since := l.reopen(); since != "" {
		t.Errorf("since %q before anything came", since)
	}
	feed(1, "one\n")
	feed(1, "two\n")
	feed(1, "thr")
	if since := l.reopen(); since != "1000.000000001" {
		t.Errorf("since %q", since)
	}
	feed(1, "one\n")
	feed(1, "two\n")
	feed(1, "thr")
	feed(1, "ee\n")
	feed(2, "\n")
	feed(1, "the clock went back\n")
	big := strings.Repeat("x", maxLine)
	feed(3, big+"\n")
	feed(4, big)
	feed(4, "x\n")
	feed(5, big+"y\n")
	feed(6, "after\n")
	want := []string{"one", "two", "three", "", "the clock went back", big, "after"}
	if d := cmp.Diff(want, got); d != "" || gaps != 2 {
		t.Errorf("%.200s, %d gaps", d, gaps)
	}
	for _, bad := range []string{"", "nospace", "yesterday line\n"} {
		if _, err := l.Write([]byte(bad)); err == nil {
			t.Errorf("frame %q was accepted", bad)
		}
	}
}

// Followers and tails need each frame in a Write of its own.
func TestStdcopy_OneWritePerFrame(t *testing.T) {
	var in bytes.Buffer
	for i := range 3 {
		must.Get(stdcopy.NewStdWriter(&in, stdcopy.Stdout).Write([]byte(strconv.Itoa(i))))(t)
	}
	out := streamTail{tail: &logTail{}}
	if _, err := stdcopy.StdCopy(&out, io.Discard, &in); err != nil || out.tail.frames != 3 || string(out.part) != "012" {
		t.Errorf("%d writes of %q, %v", out.tail.frames, out.part, err)
	}
}

func FuzzLines(f *testing.F) {
	f.Add("2026-01-02T03:04:05.000000006Z text\n", "2026-01-02T03:04:05.000000006Z more")
	f.Fuzz(func(t *testing.T, a, b string) {
		l := lines{line: func([]byte) {}, gap: func(error) {}}
		for range 2 {
			l.reopen()
			l.Write([]byte(a))
			l.Write([]byte(b))
		}
	})
}

func TestTailOf(t *testing.T) {
	log := &tailLog{}
	for i := range 5 {
		log.frames = append(log.frames, fmt.Sprintf("%d-a", i), "-b", "-c\n")
	}
	mixed := &tailLog{frames: []string{"before\n", "x", "2:error\n", "y\n", "2:unfin", "last\n", "2:ished"}}
	for _, c := range []struct {
		name string
		log  *tailLog
		n    int
		want []string
	}{
		{"two", log, 2, []string{"3-a-b-c", "4-a-b-c"}},
		{"all", log, 100, []string{"0-a-b-c", "1-a-b-c", "2-a-b-c", "3-a-b-c", "4-a-b-c"}},
		{"none", log, 0, nil},
		{"empty log", &tailLog{}, 3, nil},
		{"standard error inside of a line", mixed, 4, []string{"error", "xy", "last", "unfinished"}},
	} {
		got, err := tailOf(t.Context(), c.log, "c", c.n)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: %s %v", c.name, d, err)
		}
	}
}

// endlessLog is a log of one line that does not end, or of many long ones.
type endlessLog struct{ ended bool }

func (l endlessLog) ContainerLogs(_ context.Context, _ string, o container.LogsOptions) (io.ReadCloser, error) {
	n, err := strconv.Atoi(o.Tail)
	if err != nil {
		return nil, err
	}
	text := strings.Repeat("x", 16<<10)
	if l.ended {
		text = text[1:] + "\n"
	}
	var frame bytes.Buffer
	if _, err := stdcopy.NewStdWriter(&frame, stdcopy.Stdout).Write([]byte(text)); err != nil {
		return nil, err
	}
	frames := make([]io.Reader, min(n, 1<<16))
	for i := range frames {
		frames[i] = bytes.NewReader(frame.Bytes())
	}
	return io.NopCloser(io.MultiReader(frames...)), nil
}

// What a node prints takes a bounded part of our memory.
func TestTailOf_Bounded(t *testing.T) {
	for _, ended := range []bool{false, true} {
		lines, err := tailOf(t.Context(), endlessLog{ended}, "c", 20000)
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, l := range lines {
			total += len(l)
		}
		if total > maxTailBytes || len(lines) == 0 || !ended && !strings.Contains(lines[0], "bytes more") {
			t.Errorf("ended %v: %d lines of %d bytes", ended, len(lines), total)
		}
	}
}

// tailLog returns the last frames; "2:" begins those of standard error.
type tailLog struct{ frames []string }

func (l *tailLog) ContainerLogs(_ context.Context, _ string, o container.LogsOptions) (io.ReadCloser, error) {
	n, err := strconv.Atoi(o.Tail)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, f := range l.frames[max(0, len(l.frames)-n):] {
		stream := stdcopy.Stdout
		if text, ok := strings.CutPrefix(f, "2:"); ok {
			f, stream = text, stdcopy.Stderr
		}
		stdcopy.NewStdWriter(&b, stream).Write([]byte(f))
	}
	return io.NopCloser(&b), nil
}
