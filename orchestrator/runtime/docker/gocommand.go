package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"syscall"
	"time"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// goStopTimeout is how long the go command and what it started may take to end after an interrupt, and again after a kill.
const goStopTimeout = 5 * time.Second

var errNoGo = &runtime.HostError{
	Err: errors.New("no go command on PATH"), Advice: "install Go (https://go.dev/dl), or name a binary: or ref: in the chain file",
}

// cacheDir is where this package may keep files that can be made again.
func cacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		var home string
		if home, err = runtime.HomeDir(); err == nil {
			dir = filepath.Join(home, ".cache")
		}
	}
	if err != nil {
		return "", &runtime.HostError{
			Err: fmt.Errorf("there is no cache directory to build in: %w", err), Advice: "set XDG_CACHE_HOME, or HOME, to a directory of this user",
		}
	}
	return filepath.Join(dir, "netsplit"), nil
}

// goHome are variables that the go command needs where HOME is not set, as in services.
func goHome() []string {
	if os.Getenv("HOME") != "" {
		return nil
	}
	if home, err := runtime.HomeDir(); err == nil {
		return []string{"HOME=" + home}
	}
	var env []string
	if dir, err := cacheDir(); err == nil && os.Getenv("GOPATH") == "" {
		env = append(env, "GOPATH="+filepath.Join(dir, "go"))
	}
	return env
}

// runGo is a goRunner with the go command on PATH. When ctx ends, so does all that the command started; when this process
// is killed, so is the command.
func runGo(ctx context.Context, dir string, env []string, args ...string) ([]byte, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return nil, errNoGo
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir, cmd.Env = dir, slices.Concat(os.Environ(), goHome(), env)
	cmd.Env = append(cmd.Env, "PWD="+dir)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := runGroup(ctx, cmd); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, withOutput(fmt.Errorf("go %s: %w", args[0], err), errs.String())
	}
	return out.Bytes(), nil
}

// runGroup runs a command of ctx in a process group of its own. If ctx ends first, it returns only when nothing is left of
// the group.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	// The command and all its children inherit one end of this pipe: the other reads its end when the last has ended.
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
	cmd.WaitDelay = goStopTimeout

	// The kernel ends the command with the thread that started it, not with the process.
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
	_ = signal(syscall.SIGKILL) // it fails when the last has just ended
	if derr := left.SetReadDeadline(time.Now().Add(goStopTimeout)); derr != nil {
		left.Close()
	}
	<-gone
	return err
}
