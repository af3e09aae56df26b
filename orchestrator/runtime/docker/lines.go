package docker

import (
	"bytes"
	"fmt"
	"time"
)

// maxLine bounds a line; what is beyond is dropped, and reported.
const maxLine = 8 << 20

// lines turns the engine's log frames into lines, each once however often the engine sends it. A frame is a timestamp,
// a space, and a line or a piece of one. Feeding a reader of frames: stdcopy writes each frame in one Write.
type lines struct {
	line func([]byte)
	gap  func(error)

	last  time.Time // of the last frame taken
	count int       // of frames taken with that timestamp
	skip  int       // frames with that timestamp that the engine sends again
	part  []byte    // pieces of an unfinished line
	over  int       // bytes dropped from it
}

// reopen prepares for a new answer of the engine and returns the moment since which it must send.
func (l *lines) reopen() string {
	l.skip = l.count
	if l.last.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d.%09d", l.last.Unix(), l.last.Nanosecond())
}

// Write takes one frame.
func (l *lines) Write(frame []byte) (int, error) {
	stamp, text, ok := bytes.Cut(frame, []byte{' '})
	if !ok {
		return 0, fmt.Errorf("log frame of %d bytes has no timestamp", len(frame))
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return 0, fmt.Errorf("log frame: %w", err)
	}
	switch {
	case !at.Equal(l.last):
		l.last, l.count, l.skip = at, 1, 0
	case l.skip > 0:
		l.skip--
		return len(frame), nil
	default:
		l.count++
	}
	l.take(text)
	return len(frame), nil
}

// take adds a piece and delivers the line that it ends.
func (l *lines) take(text []byte) {
	body, ended := bytes.CutSuffix(text, []byte{'\n'})
	if ended && len(l.part) == 0 && l.over == 0 && len(body) <= maxLine {
		l.line(body)
		return
	}
	room := min(len(body), maxLine-len(l.part))
	l.part = append(l.part, body[:room]...)
	l.over += len(body) - room
	if !ended {
		return
	}
	if l.over > 0 {
		l.gap(fmt.Errorf("a line of %d bytes is longer than %d and was dropped", len(l.part)+l.over, maxLine))
	} else {
		l.line(l.part)
	}
	l.part, l.over = nil, 0
}
