package docker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// goGrace is what the go command has to end after it was interrupted.
const goGrace = 5 * time.Second

// runGo is a goRunner with the go command on PATH.
func runGo(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return nil, errNoGo
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Env = append(cmd.Env, "PWD="+dir)
	cmd.Stdout, cmd.Stderr = &out, &errs
	// An interrupt lets the command remove its own temporary files.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = goGrace
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, withTail(fmt.Errorf("go %s: %w", args[0], err), errs.String())
	}
	return out.Bytes(), nil
}

// headLines is how many of the first lines of a long text stay: programs that print their usage say before it what is wrong.
const headLines = 5

// withTail adds the last lines of a text to an error, and the first where it is long.
func withTail(err error, text string) error {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return err
	}
	lines := strings.Split(text, "\n")
	if over := len(lines) - tailLines; over > 0 {
		last := lines[headLines+over:]
		lines = append(slices.Clone(lines[:headLines]), fmt.Sprintf("... (%d lines)", over))
		lines = append(lines, last...)
	}
	return &tailed{err, lines}
}

// tailed is an error with lines of what failed.
type tailed struct {
	err  error
	tail []string
}

// Error implements error.
func (e *tailed) Error() string {
	return e.err.Error() + "; it printed:\n    | " + strings.Join(e.tail, "\n    | ")
}

// Unwrap implements errors.Unwrap.
func (e *tailed) Unwrap() error { return e.err }
