package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// goGrace is what the go command, and what it started, has to end after it was interrupted, and again after it was killed.
const goGrace = 5 * time.Second

// runGo is a goRunner with the go command on PATH. When ctx ends, so does all that the command started; when this process
// is killed, the command is too.
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
	if err := runGroup(ctx, cmd); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, withTail(fmt.Errorf("go %s: %w", args[0], err), errs.String())
	}
	return out.Bytes(), nil
}

// runGroup runs a command of ctx in a process group of its own. If ctx ends first, it returns only when nothing is left of
// the group.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	// Every process that comes of the command inherits one end of this pipe; the other tells when the last is gone.
	left, inherited, err := os.Pipe()
	if err != nil {
		return err
	}
	defer left.Close()
	cmd.ExtraFiles = []*os.File{inherited}
	cmd.SysProcAttr = ownGroup()
	signal := func(s syscall.Signal) error { return syscall.Kill(-cmd.Process.Pid, s) }
	// An interrupt lets the commands remove their own temporary files and locks.
	cmd.Cancel = func() error { return signal(syscall.SIGINT) }
	cmd.WaitDelay = goGrace

	// What is to die with this process dies with the thread that started it.
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	err = cmd.Start()
	inherited.Close()
	if err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, left)
	}()
	err = cmd.Wait()
	if ctx.Err() == nil {
		left.Close()
		<-gone
		return err
	}
	select {
	case <-gone:
		return err
	default:
	}
	_ = signal(syscall.SIGKILL) // an error says that the last has just gone
	if derr := left.SetReadDeadline(time.Now().Add(goGrace)); derr != nil {
		left.Close()
	}
	<-gone
	return err
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
