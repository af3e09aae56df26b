package daemon

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/netsplit/netsplit/node"
)

// maxEventWrite is the size of the largest write in bytes. On Linux a write of PIPE_BUF bytes to a pipe is atomic, so a
// node that is killed leaves complete lines only.
const maxEventWrite = 4096

// eventLog writes events as JSON lines: complete lines only, as many per write as fit into maxEventWrite.
type eventLog struct {
	w   io.Writer
	buf []byte
}

func (l *eventLog) add(e *node.Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode %s event: %w", e.Kind, err)
	}
	line = append(line, '\n')
	if len(l.buf)+len(line) > maxEventWrite {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.buf = append(l.buf, line...)
	return nil
}

func (l *eventLog) flush() error {
	if len(l.buf) == 0 {
		return nil
	}
	_, err := l.w.Write(l.buf)
	l.buf = l.buf[:0]
	if err != nil {
		return fmt.Errorf("write event log: %w", err)
	}
	return nil
}
