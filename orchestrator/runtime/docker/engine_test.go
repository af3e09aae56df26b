package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestAvailable_NoEngine(t *testing.T) {
	for _, c := range []struct{ host, want string }{
		{"tcp://192.0.2.1:2375", "not on this machine"},
		{"ssh://user@192.0.2.1", "not on this machine"},
		{"unix:///nowhere/docker.sock", "is the engine running"},
		{"bogus", "docker is not available"},
	} {
		t.Setenv("DOCKER_HOST", c.host)
		begin := time.Now()
		_, err := Available(t.Context())
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.host, err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: took %v", c.host, took)
		}
		must.Fail(t, ErrUnavailable)(New(t.Context(), Options{}))
		must.Fail(t, ErrUnavailable)(RemoveAll(t.Context()))
	}
}

// engineAt serves as an engine that says it is a platform, or nothing at all.
func engineAt(t *testing.T, platform string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "eng") // a short path, for a socket
	must.Do(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := must.Get(net.Listen("unix", filepath.Join(dir, "s")))(t)
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(dir, "s"))
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if platform == "" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Api-Version", "1.41")
		fmt.Fprintf(w, `{"Version":"1.2.3","Platform":{"Name":%q}}`, platform)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l)
	}()
	t.Cleanup(func() { srv.Close(); <-done })
}

func TestAvailable_Engines(t *testing.T) {
	for _, c := range []struct{ name, platform, version, fail string }{
		{"engine", "Docker Engine - Community", "1.2.3", ""},
		{"virtual machine", "Docker Desktop 4.40 (1)", "", "virtual machine"},
		{"no answer", "", "", "did not answer"},
	} {
		engineAt(t, c.platform)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if c.platform == "" { // it never answers
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		}
		version, err := Available(ctx)
		cancel()
		if version != c.version || errors.Is(err, ErrUnavailable) != (c.fail != "") || c.fail != "" && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%s: %q, %v", c.name, version, err)
		}
	}
}

func TestUnavailableHints(t *testing.T) {
	if err := unavailable("unix:///x", os.ErrPermission); !strings.Contains(err.Error(), "docker group") {
		t.Errorf("got %v", err)
	}
	if err := unavailable("unix:///x", context.DeadlineExceeded); !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("got %v", err)
	}
}

func TestSocketDir(t *testing.T) {
	run := must.Get(os.MkdirTemp("", "run"))(t)
	t.Cleanup(func() { os.RemoveAll(run) })
	t.Setenv("XDG_RUNTIME_DIR", run)
	dir := must.Get(makeSocketDir("a"))(t)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 || dir != filepath.Join(run, "netsplit", "a") {
		t.Errorf("%s: %v, %v", dir, info, err)
	}
	must.Fail(t, "")(makeSocketDir("a"))
	must.Fail(t, "XDG_RUNTIME_DIR")(makeSocketDir(strings.Repeat("x", 100)))
	strange := filepath.Join(dir, "strange")
	must.Do(t, os.WriteFile(strange, nil, 0o600))
	must.Fail(t, "")(removeSocketDir(dir)) // a file that is not the tool's
	must.Do(t, os.Remove(strange))
	must.Check(t, removeSocketDir(dir))
	if err := removeSocketDir(dir); err != nil {
		t.Errorf("removing again: %v", err)
	}
	base := filepath.Join(run, "netsplit")
	must.Do(t, os.Mkdir(base, 0o755))
	must.Fail(t, "private")(makeSocketDir("a"))
	t.Setenv("XDG_RUNTIME_DIR", "/nowhere")
	if got := socketBase(); !strings.HasPrefix(got, "/tmp/netsplit-") {
		t.Errorf("socketBase = %s", got)
	}
}

// The last testnet to end removes the directory that holds all, which must not fail one that begins at that moment.
func TestSocketDir_Concurrent(t *testing.T) {
	run := must.Get(os.MkdirTemp("", "run"))(t)
	t.Cleanup(func() { os.RemoveAll(run) })
	t.Setenv("XDG_RUNTIME_DIR", run)
	var g errgroup.Group
	for i := range 8 {
		g.Go(func() error {
			for range 500 {
				dir, err := makeSocketDir(strconv.Itoa(i))
				if err != nil {
					return err
				}
				if err := removeSocketDir(dir); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must.Check(t, g.Wait())
	must.Fail(t, os.ErrNotExist)(os.Stat(filepath.Join(run, "netsplit")))
}

func TestRuntime_BeforeCreate(t *testing.T) {
	engineAt(t, "Docker Engine - Community")
	r := must.Get(New(t.Context(), Options{}))(t)
	must.Fail(t, "")(r.Shape(t.Context(), nil))
	must.Fail(t, "")(r.Launch(t.Context(), []runtime.Launch{{ID: "n"}}, nil))
	must.Fail(t, "")(r.Launch(t.Context(), nil, nil))
	must.Equal(t, "docker 1.2.3", r.Info(t.Context()).Text)
	for range 2 {
		must.Check(t, r.Close(t.Context()))
	}
}
