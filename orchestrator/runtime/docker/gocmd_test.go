package docker

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scriptedGo puts a go command on PATH that blocks in every build. Before that it writes the directory of its temporary
// files to the pipe that is returned, and the pipe ends when the last of its processes does.
func scriptedGo(t *testing.T, install string) (alive string) {
	t.Helper()
	dir := t.TempDir()
	alive = filepath.Join(dir, "alive")
	for _, pipe := range []string{alive, filepath.Join(dir, "never")} {
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := "#!/bin/sh\ncase $1 in\nenv) echo '{\"GOVERSION\": \"go1.99\"}' ;;\n*) " + install + " ;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("ALIVE", alive)
	t.Setenv("NEVER", filepath.Join(dir, "never"))
	return alive
}

// watchPipe opens a pipe of scriptedGo, when the build is under way, and returns it with what it says.
func watchPipe(t *testing.T, alive string) (*bufio.Reader, string) {
	t.Helper()
	f, err := os.OpenFile(alive, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(f)
	tmp, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return r, strings.TrimSpace(tmp)
}

// left lists what builds left in a cache.
func left(t *testing.T, cache string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(cache, workPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// An interrupt in the middle of a build leaves neither a compiler, which may be deaf to it, nor files.
func TestInterruptedBuildsLeaveNothing(t *testing.T) {
	alive := scriptedGo(t, `: >"$GOTMPDIR/go-build1"
	(trap '' INT; exec 9>"$ALIVE"; echo "$GOTMPDIR" >&9; exec cat "$NEVER") >/dev/null 2>&1 &
	wait`)
	b := goBuilder{cache: t.TempDir(), run: runGo, progress: func(string) {}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := b.build(ctx, "example.com/m@v1.0.0", "")
		failed <- err
	}()
	pipe, tmp := watchPipe(t, alive)
	if dirs := left(t, b.cache); len(dirs) != 1 || tmp != filepath.Join(dirs[0], goTmp) {
		t.Errorf("it builds in %s, of %v", tmp, dirs)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := io.ReadAll(pipe); err != nil {
		t.Errorf("a child lives on: %v", err)
	}
	if dirs := left(t, b.cache); len(dirs) > 0 {
		t.Errorf("left %v", dirs)
	}
}

// What a build leaves whose process is killed goes with the next build; what another process builds in stays.
func TestKilledBuildsAreSwept(t *testing.T) {
	alive := scriptedGo(t, `exec 9>"$ALIVE"; echo "$GOTMPDIR" >&9; exec cat "$NEVER"`)
	cache := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "build", cache)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pipe, tmp := watchPipe(t, alive)
	f := &fakeGo{}
	next := goBuilder{cache: cache, run: f.run, progress: func(s string) { t.Log(s) }}
	if _, err := next.build(t.Context(), "example.com/other@v1.0.0", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tmp); err != nil {
		t.Errorf("a directory that is built in was removed: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if _, err := io.ReadAll(pipe); err != nil {
		t.Errorf("go lives on: %v", err)
	}
	if dirs := left(t, cache); len(dirs) != 1 {
		t.Errorf("left %v", dirs)
	}
	if _, err := next.build(t.Context(), "example.com/other@v1.0.1", ""); err != nil {
		t.Fatal(err)
	}
	if dirs := left(t, cache); len(dirs) > 0 {
		t.Errorf("not swept: %v", dirs)
	}
}

// A directory that cannot be removed is told of, and does not keep others from building.
func TestWhatCannotBeSweptIsToldOf(t *testing.T) {
	b, said := builder(t, &fakeGo{})
	if err := os.MkdirAll(filepath.Join(b.cache, workPrefix+"1", ownedFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := b.build(t.Context(), "example.com/m@v1.0.0", ""); err != nil {
		t.Fatal(err)
	}
	if len(*said) == 0 || !strings.Contains((*said)[0], "what killed builds left is still there: open lock") {
		t.Errorf("said %q", *said)
	}
	b.cache = filepath.Join(b.cache, "nowhere")
	if _, err := b.build(t.Context(), "example.com/m@v1.0.0", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
