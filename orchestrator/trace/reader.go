package trace

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// MaxLine is the most bytes that one event takes on disk, its newline included.
const MaxLine = 16 << 20

// maxWindow bounds the decompressor's memory, whatever the file says.
const maxWindow = 32 << 20

// TruncatedError says that a trace ends in the middle of its data, as one does whose writer was killed. Everything
// before that was read.
type TruncatedError struct {
	Path string
	Line int   // complete lines that were read
	Err  error // what is wrong with the end
}

// Error implements error.
func (e *TruncatedError) Error() string {
	return fmt.Sprintf("%s: truncated after line %d: %v", e.Path, e.Line, e.Err)
}

// Unwrap implements errors.Unwrap.
func (e *TruncatedError) Unwrap() error { return e.Err }

// LineError is a line that is not an event.
type LineError struct {
	Path string
	Line int // counted from 1
	Err  error
}

// Error implements error.
func (e *LineError) Error() string { return fmt.Sprintf("%s: line %d: %v", e.Path, e.Line, e.Err) }

// Unwrap implements errors.Unwrap.
func (e *LineError) Unwrap() error { return e.Err }

// Read calls fn for every event of the trace file, in the order in which they were appended. Each event is new: fn may
// keep it. Read stops at fn's first error and returns it as it is. A file that ends early gives a *TruncatedError
// after all that could be read, a line that is no event a *LineError, a trace in another format one that wraps a *FormatError,
// and one whose events are not those that its end event counts an *AlteredError after all of them.
func Read(path string, fn func(*Event) error) error {
	f, size, err := openRegular(path)
	if err != nil {
		return fmt.Errorf("read trace: %w", err)
	}
	defer f.Close()
	return readWithin(newBudget(size), path, f, fn)
}

// openRegular opens a file, and refuses what is none: a pipe would never end.
func openRegular(path string) (f *os.File, size int64, err error) {
	// Without O_NONBLOCK the opening of a pipe waits for somebody who writes.
	if f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// read is Read of a file's contents, whose size is not known.
func read(path string, in io.Reader, fn func(*Event) error) error {
	return readWithin(newBudget(0), path, in, fn)
}

func readWithin(budget *budget, path string, in io.Reader, fn func(*Event) error) error {
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return fmt.Errorf("read trace %s: %w", path, err)
	}
	defer z.Close()
	var (
		lines = lineReader{in: bufio.NewReaderSize(z, 256<<10)}
		dec   decoder
		seen  = newTally()
		end   *End
		wrong []string
		// faults counts the events of faults: what they are compared with grows with their square.
		faults int
	)
	for n := 0; ; n++ {
		line, err := lines.next()
		switch {
		case err == io.EOF && len(wrong) > 0:
			return &AlteredError{Path: path, Changes: wrong}
		case err == io.EOF:
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return &TruncatedError{Path: path, Line: n, Err: err}
		case err != nil:
			return &LineError{Path: path, Line: n + 1, Err: err}
		}
		var e *Event
		if err = checkLine(line); err == nil {
			e, err = dec.decode(line[:len(line)-1])
		}
		if err == nil {
			err = budget.add(len(line))
		}
		if err == nil {
			if err = CheckLimits(e); err != nil && e.Kind == KindRun && e.Run.Format != Format {
				err = &FormatError{e.Run.Format}
			}
		}
		if err == nil && e.Kind == KindFault {
			if faults++; faults > maxFaultEvents {
				err = fmt.Errorf("more than %d events of faults", maxFaultEvents)
			}
		}
		if err != nil {
			if format := formatOf(line); n == 0 && format != 0 && format != Format {
				err = &FormatError{format}
			}
			return &LineError{Path: path, Line: n + 1, Err: err}
		}
		if e.Kind == KindRun {
			if err := e.Run.CheckFormat(); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		switch {
		case end != nil && !slices.Contains(wrong, afterEnd):
			wrong = append(wrong, afterEnd)
		case end != nil:
		case e.Kind == KindEnd:
			end = e.End
			wrong = seen.compare(end)
		default:
			seen.add(e, line)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

// afterEnd is what is wrong with events after the end event.
const afterEnd = "events follow its end event"

// formatOf reads the format that a run event states, whatever else stands in it; 0 where it states none.
func formatOf(line []byte) int {
	var e struct{ Run struct{ Format int } }
	if json.Unmarshal(line, &e) != nil {
		return 0
	}
	return e.Run.Format
}

// lineReader splits its input into lines of bounded length.
type lineReader struct {
	in   *bufio.Reader
	long []byte // holds a line that does not fit into in's buffer
}

// next returns the next line with its newline, valid until the next call; io.EOF at the end, and
// io.ErrUnexpectedEOF when the input ends inside a line.
func (r *lineReader) next() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		r.long = r.long[:0]
		for err == bufio.ErrBufferFull {
			if len(r.long)+len(line) > MaxLine {
				return nil, fmt.Errorf("longer than %d bytes", MaxLine)
			}
			r.long = append(r.long, line...)
			line, err = r.in.ReadSlice('\n')
		}
		r.long = append(r.long, line...)
		line = r.long
	}
	switch {
	case err == io.EOF && len(line) > 0:
		return nil, fmt.Errorf("line without an end: %w", io.ErrUnexpectedEOF)
	case err != nil:
		return nil, err
	case len(line) > MaxLine:
		return nil, fmt.Errorf("longer than %d bytes", MaxLine)
	}
	return line, nil
}
