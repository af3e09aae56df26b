package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// ErrClosed is returned by a Writer that was closed.
var ErrClosed = errors.New("trace is closed")

// Writer appends events to a trace, in the order in which Append is called (see ReadSorted for the order in time). It
// is safe for concurrent use and starts no goroutine. The same calls give the same bytes. It holds at most one
// compressor window (some MiB) of what was appended since the last Flush.
type Writer struct {
	mu   sync.Mutex
	file *os.File // nil when the writer was made by NewWriter
	zstd *zstd.Encoder
	line bytes.Buffer
	json *json.Encoder
	seen *tally
	end  bool  // the end event was appended
	err  error // the first failure of the file; every later call returns it
}

// Create makes a trace file, or empties one that is there.
func Create(path string) (*Writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create trace: %w", err)
	}
	w, err := NewWriter(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	w.file = f
	return w, nil
}

// NewWriter writes a trace to out. Close does not close out.
func NewWriter(out io.Writer) (*Writer, error) {
	// One worker: the encoder then works inside the caller, and its output depends on its input alone.
	z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, fmt.Errorf("start trace compressor: %w", err)
	}
	w := &Writer{zstd: z, seen: newTally()}
	w.json = json.NewEncoder(&w.line)
	w.json.SetEscapeHTML(false)
	return w, nil
}

// ErrEnded is returned for events after the end event.
var ErrEnded = errors.New("trace has its end event")

// Append adds an event; e may be reused afterwards. It fills in the counts and digests of the end event, after which nothing
// can be appended. An event that is malformed (see Validate) is refused and leaves the trace as it was; an error of the file
// is final and is returned by every later call.
func (w *Writer) Append(e *Event) error {
	if err := Validate(e); err != nil {
		return fmt.Errorf("append to trace: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if w.end {
		return fmt.Errorf("append %s event: %w", e.Kind, ErrEnded)
	}
	if e.Kind == KindEnd {
		end := *e.End
		end.Counts, end.Digest = w.seen.counts()
		last := *e
		last.End, e = &end, &last
	}
	w.line.Reset()
	if err := w.json.Encode(e); err != nil {
		return fmt.Errorf("append %s event to trace: %w", e.Kind, err)
	}
	if w.line.Len() > MaxLine {
		return fmt.Errorf("append %s event to trace: %d bytes, at most %d are allowed", e.Kind, w.line.Len(), MaxLine)
	}
	if _, err := w.zstd.Write(w.line.Bytes()); err != nil {
		return w.fail("write trace", err)
	}
	if w.end = e.Kind == KindEnd; !w.end {
		w.seen.add(e, w.line.Bytes())
	}
	return nil
}

// Flush hands everything appended so far to the operating system, so that a reader finds it even if this process is
// killed next. Call it about once a second: each call ends a compressed block and costs some compression.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if err := w.zstd.Flush(); err != nil {
		return w.fail("flush trace", err)
	}
	return nil
}

// Close writes all that is left and, for a Writer made by Create, syncs and closes the file. Calls after the first
// return nil when that one succeeded.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(w.err, ErrClosed) {
		return nil
	}
	err := w.err
	if zerr := w.zstd.Close(); err == nil && zerr != nil {
		err = fmt.Errorf("finish trace: %w", zerr)
	}
	if w.file != nil {
		if serr := w.file.Sync(); err == nil && serr != nil {
			err = fmt.Errorf("sync trace: %w", serr)
		}
		if cerr := w.file.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("close trace: %w", cerr)
		}
		w.file = nil
	}
	w.err = err
	if err == nil {
		w.err = ErrClosed
	}
	return err
}

func (w *Writer) fail(op string, err error) error {
	w.err = fmt.Errorf("%s: %w", op, err)
	return w.err
}
