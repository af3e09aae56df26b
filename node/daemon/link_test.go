package daemon

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/wire"
)

func TestTimers(t *testing.T) {
	id := func(k int) node.TimerID { return node.TimerID{Kind: node.TimerKind(k)} }
	var ts timers
	if _, ok := ts.next(); ok {
		t.Error("no timer is set, but one is next")
	}
	ts.set(id(9), 0) // cancels a timer that is not set
	ts.set(id(1), 30)
	ts.set(id(2), 10)
	ts.set(id(3), 10)
	ts.set(id(4), 20)
	ts.set(id(1), 5)  // moved forward
	ts.set(id(2), 10) // set again: now after 3
	ts.set(id(4), 0)  // cancelled
	if next, ok := ts.next(); !ok || next.at != 5 {
		t.Errorf("next is %v, %v, want 5", next, ok)
	}
	if got, ok := ts.due(4); ok {
		t.Errorf("%v is due before its time", got)
	}
	for _, want := range []int{1, 3, 2} {
		if got, ok := ts.due(10); !ok || got != id(want) {
			t.Errorf("due is %v, %v, want %d", got, ok, want)
		}
	}
	if _, ok := ts.due(1000); ok {
		t.Error("a timer is left")
	}
}

// chunks records writes.
type chunks struct {
	writes [][]byte
	err    error
}

func (c *chunks) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

func TestEventLog_WholeLines(t *testing.T) {
	var out chunks
	l := &eventLog{w: &out}
	for range 100 {
		must.Do(t, l.add(&node.Event{Kind: node.EventPeerDown, Reason: strings.Repeat("r", 100)}))
	}
	must.Do(t, l.add(&node.Event{Kind: node.EventInvalid, Reason: strings.Repeat("long", 2000)}))
	must.Do(t, l.flush())
	lines := 0
	for i, w := range out.writes {
		if w[len(w)-1] != '\n' {
			t.Errorf("write %d ends inside a line", i)
		}
		if n := bytes.Count(w, []byte("\n")); n > 1 && len(w) > maxEventWrite {
			t.Errorf("write %d has %d bytes", i, len(w))
		}
		lines += bytes.Count(w, []byte("\n"))
	}
	if lines != 101 || len(out.writes) > 6 {
		t.Errorf("%d lines in %d writes, want 101 in few", lines, len(out.writes))
	}
	out.err = io.ErrClosedPipe
	err := errors.Join(l.add(&node.Event{Kind: node.EventStop}), l.flush())
	if !errors.Is(err, io.ErrClosedPipe) || !strings.Contains(err.Error(), "write event log") {
		t.Errorf("error %v, want the writer's", err)
	}
}

func TestRun_EventLogFails(t *testing.T) {
	err := run(t.Context(), testConfig(t, 1), &chunks{err: io.ErrClosedPipe}, nil)
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want the writer's", err)
	}
}

func TestSendQueue_Limits(t *testing.T) {
	q := newSendQueue()
	frame := []byte{1}
	for i := range maxQueuedFrames {
		if !q.push(frame) {
			t.Fatalf("frame %d refused", i)
		}
	}
	if q.push(frame) {
		t.Error("a frame too many was taken")
	}
	taken := q.take()
	if len(taken) != maxQueuedFrames || q.push(frame) {
		t.Error("frames that are being written are not counted")
	}
	q.sent(frame)
	if !q.push(frame) {
		t.Error("no room after a frame was sent")
	}
	q = newSendQueue()
	big := make([]byte, maxQueuedBytes/2)
	for range 2 {
		if !q.push(big) {
			t.Error("no room below the limit of bytes")
		}
	}
	if q.push(frame) {
		t.Error("the limit of bytes does not hold")
	}
}

func TestReadFrame(t *testing.T) {
	for _, size := range []int{0, 1, 64 << 10, 64<<10 + 1, wire.MaxMessageSize} {
		frame := append(binary.BigEndian.AppendUint32(nil, uint32(size)), make([]byte, size)...)
		if got, err := readFrame(bytes.NewReader(frame)); err != nil || len(got) != size {
			t.Errorf("frame of %d bytes: %d, %v", size, len(got), err)
		}
		if size < 2 {
			continue
		}
		if _, err := readFrame(bytes.NewReader(frame[:len(frame)-1])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("frame of %d bytes, cut short: %v", size, err)
		}
	}
	if _, err := readFrame(bytes.NewReader(binary.BigEndian.AppendUint32(nil, wire.MaxMessageSize+1))); !errors.Is(err, wire.ErrFrameSize) {
		t.Errorf("frame over the limit: %v", err)
	}
	if _, err := readFrame(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("no frame: %v", err)
	}
	if _, err := readFrame(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("reader's error: %v", err)
	}
}

// TestReadFrame_Memory claims the largest frame and sends only 10 bytes of it.
func TestReadFrame_Memory(t *testing.T) {
	claim := append(binary.BigEndian.AppendUint32(nil, wire.MaxMessageSize), make([]byte, 10)...)
	const runs = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		if _, err := readFrame(bytes.NewReader(claim)); err == nil {
			t.Fatal("no error")
		}
	}
	runtime.ReadMemStats(&after)
	if per := (after.TotalAlloc - before.TotalAlloc) / runs; per > 64<<10 {
		t.Errorf("%d bytes allocated for a frame of which 10 were sent", per)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 2, 1, 2})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		payload, err := readFrame(bytes.NewReader(b))
		if err == nil && !bytes.Equal(payload, b[frameHeader:frameHeader+len(payload)]) {
			t.Error("payload differs")
		}
	})
}

func FuzzDecodeConfig(f *testing.F) {
	f.Add([]byte(`{"name": "x", "genesis": {"alloc": [{}]}, "peers": [{"id": "", "addr": ""}]}`))
	f.Add([]byte(`{"name": {"a": [1, {"b": 2}]}} x`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, offset, err := decodeConfig(b); err != nil {
			if line, column := position(b, offset); offset >= 0 && (line < 1 || column < 1) {
				t.Errorf("position %d:%d", line, column)
			}
		}
	})
}
