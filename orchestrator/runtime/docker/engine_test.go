package docker

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestAvailable_NoEngine(t *testing.T) {
	notLocal := "not on this machine"
	for _, c := range []struct{ host, want string }{
		{"tcp://192.0.2.1:2375", notLocal},
		{"ssh://user@192.0.2.1", notLocal},
		{"tcp://no-such-host.invalid:2375", "not known to be on this machine"},
		{"tcp://127.0.0.1:1", "no engine answers"},
		{"tcp://localhost:1", "no engine answers"},
		{"unix:///nowhere/docker.sock", "no engine answers"},
		{"bogus", "docker is not available"},
	} {
		t.Setenv("DOCKER_HOST", c.host)
		begin := time.Now()
		_, err := Available(t.Context())
		var missing *UnavailableError
		if !errors.Is(err, ErrUnavailable) || !errors.As(err, &missing) || missing.Named != "DOCKER_HOST" || !strings.Contains(err.Error(), c.want) ||
			missing.Absent != (c.want == "no engine answers") {
			t.Errorf("%s: %v", c.host, err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: took %v", c.host, took)
		}
		must.Fail(t, ErrUnavailable)(New(t.Context(), Options{}))
		must.Fail(t, ErrUnavailable)(RemoveAll(t.Context(), false))
	}
}

// httpEngine serves as an engine on a Unix socket, or on a TCP port of loopback, and returns its address. Each path, without
// the version, has a reply; what has none is not found, and what has an empty one is never answered. A hook that returns true
// has answered by itself.
func httpEngine(t *testing.T, network string, replies map[string]string, hooks ...func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	at := "127.0.0.1:0"
	if network == "unix" {
		dir := must.Get(os.MkdirTemp("", "eng"))(t) // a short path, for a socket
		t.Cleanup(func() { os.RemoveAll(dir) })
		at = filepath.Join(dir, "s")
	}
	l := must.Get(net.Listen(network, at))(t)
	version := regexp.MustCompile(`^/v[0-9.]+/`)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		path := version.ReplaceAllString(r.URL.Path, "/")
		reply, ok := replies[path]
		for _, hook := range hooks {
			if hook(w, r) {
				return
			}
		}
		switch {
		case path == "/_ping" && !ok:
		case strings.HasPrefix(r.URL.Path, "/v9.99/"):
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"message":"client version 9.99 is too new. Maximum supported API version is 1.41"}`)
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"message":"not found"}`)
		case reply == "":
			<-r.Context().Done()
		default:
			io.WriteString(w, reply)
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(l)
	}()
	t.Cleanup(func() { srv.Close(); <-done })
	if network == "unix" {
		return "unix://" + at
	}
	return "tcp://" + l.Addr().String()
}

// plainEngine are the replies of an engine whose default network is off.
func plainEngine(more ...string) map[string]string {
	replies := map[string]string{
		"/version": `{"Version":"1.2.3","Platform":{"Name":"Docker Engine - Community"}}`, "/info": `{}`,
	}
	for i := 0; i < len(more); i += 2 {
		replies[more[i]] = more[i+1]
	}
	return replies
}

func TestAvailable_Engines(t *testing.T) {
	loopback := "lo"
	if !hasInterface(loopback) {
		loopback = "lo0"
	}
	bridge := func(name string) string {
		return `{"Name":"bridge","Driver":"bridge","Options":{"com.docker.network.bridge.name":"` + name + `"}}`
	}
	for _, c := range []struct {
		name    string
		network string
		replies map[string]string
		fail    string
	}{
		{"default network off", "unix", plainEngine(), ""},
		{"default network here", "unix", plainEngine("/networks/bridge", bridge(loopback)), ""},
		{"on a port of this machine", "tcp", plainEngine(), ""},
		{"virtual machine of Docker Desktop", "unix", plainEngine("/version", `{"Platform":{"Name":"Docker Desktop 4.40 (1)"}}`), "virtual machine"},
		{"default network without its bridge", "unix", plainEngine("/networks/bridge", bridge("nosuch0"), "/networks/create", `{"Id":"n"}`), "not here"},
		{"default network elsewhere", "unix", plainEngine("/networks/bridge", bridge("nosuch0")), "default network, nosuch0, is not here"},
		{"rootless", "unix", plainEngine("/networks/bridge", bridge("nosuch0"), "/info", `{"SecurityOptions":["name=rootless"]}`), "rootless"},
		{"rootless podman", "unix", plainEngine("/info", `{"SecurityOptions":["name=seccomp","name=rootless"]}`), "rootless"},
		{"no answer", "unix", plainEngine("/version", ""), "did not answer"},
		{"no description", "unix", plainEngine("/networks/bridge", ""), "did not answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("DOCKER_HOST", httpEngine(t, c.network, c.replies))
			limit := 5 * time.Second
			if strings.HasPrefix(c.name, "no ") {
				limit = 300 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			version, err := Available(ctx)
			if errors.Is(err, ErrUnavailable) != (c.fail != "") || c.fail != "" && !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%q, %v", version, err)
			}
			if c.fail == "" && version != "1.2.3" {
				t.Errorf("version %q, %v", version, err)
			}
		})
	}
}

func TestAvailable_RefusedVersion(t *testing.T) {
	t.Setenv("DOCKER_HOST", httpEngine(t, "unix", plainEngine()))
	t.Setenv("DOCKER_API_VERSION", "9.99")
	must.Fail(t, "unset DOCKER_API_VERSION, which is 9.99")(Available(t.Context()))
	t.Setenv("DOCKER_API_VERSION", "1.41")
	if _, err := Available(t.Context()); err != nil {
		t.Error(err)
	}
}

// An engine that its first request starts takes seconds to answer: users learn what is waited for.
func TestAvailable_SlowEngine(t *testing.T) {
	var said []string
	for _, c := range []struct {
		name    string
		answers bool
	}{{"slow", false}, {"fast", true}} {
		replies := plainEngine()
		if !c.answers {
			replies["/version"] = ""
		}
		host := httpEngine(t, "unix", replies)
		t.Setenv("DOCKER_HOST", host)
		ctx, cancel := context.WithTimeout(t.Context(), noticeAfter+500*time.Millisecond)
		said = nil
		_, err := Available(WithNotices(ctx, func(text string) { said = append(said, text) }))
		cancel()
		if c.answers && (err != nil || len(said) != 0) || !c.answers && (err == nil || len(said) != 1 || !strings.Contains(said[0], "waiting up to 30s for the engine at "+host)) {
			t.Errorf("%s: %v, said %q", c.name, err, said)
		}
	}
}

func TestFindEndpoint_Contexts(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "")
	put := func(name, text string) {
		file := filepath.Join(dir, name)
		must.Do(t, os.MkdirAll(filepath.Dir(file), 0o700))
		must.Do(t, os.WriteFile(file, []byte(text), 0o600))
	}
	meta := func(context, text string) {
		put(fmt.Sprintf("contexts/meta/%x/meta.json", sha256.Sum256([]byte(context))), text)
	}
	meta("mine", `{"Name":"mine","Endpoints":{"docker":{"Host":"unix:///mine.sock","SkipTLSVerify":false}}}`)
	meta("plain", `{"Name":"plain"}`)
	meta("broken", `{`)
	for _, c := range []struct {
		name, config, context, host string
		want, named, fail           string
	}{
		{name: "nothing is configured", want: DefaultHost},
		{name: "no context is chosen", config: `{"auths":{}}`, want: DefaultHost},
		{name: "docker context use", config: `{"currentContext":"mine"}`, want: "unix:///mine.sock", named: "docker context mine"},
		{name: "docker context use default", config: `{"currentContext":"default"}`, want: DefaultHost},
		{name: "DOCKER_CONTEXT comes first", config: `{"currentContext":"broken"}`, context: "mine", want: "unix:///mine.sock", named: "DOCKER_CONTEXT"},
		{name: "DOCKER_CONTEXT=default", config: `{"currentContext":"mine"}`, context: "default", want: DefaultHost},
		{name: "DOCKER_HOST comes before both", config: `{"currentContext":"mine"}`, context: "broken", host: "unix:///h.sock", want: "unix:///h.sock", named: "DOCKER_HOST"},
		{name: "a context without an address", context: "plain", want: DefaultHost, named: "DOCKER_CONTEXT"},
		{name: "a context that is not there", config: `{"currentContext":"gone"}`, fail: `read docker context "gone"`},
		{name: "a context that cannot be read", context: "broken", fail: `read docker context "broken"`},
		{name: "a configuration that cannot be read", config: `{`, fail: "read docker's configuration"},
	} {
		os.Remove(filepath.Join(dir, "config.json"))
		if c.config != "" {
			put("config.json", c.config)
		}
		t.Setenv("DOCKER_CONTEXT", c.context)
		t.Setenv("DOCKER_HOST", c.host)
		end, err := findEndpoint()
		var missing *UnavailableError
		switch {
		case c.fail != "" && (!errors.As(err, &missing) || missing.Named == "" || !strings.Contains(err.Error(), c.fail)):
			t.Errorf("%s: %v", c.name, err)
		case c.fail == "" && (err != nil || end.host != c.want || end.named != c.named):
			t.Errorf("%s: %+v, %v", c.name, end, err)
		}
	}
}

// The engine of a docker context is used throughout, also by the library that makes containers.
func TestNewFactory_Context(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("DOCKER_HOST", "")
	t.Setenv("DOCKER_CONTEXT", "mine")
	host := httpEngine(t, "unix", plainEngine())
	meta := filepath.Join(dir, "contexts", "meta", fmt.Sprintf("%x", sha256.Sum256([]byte("mine"))))
	must.Do(t, os.MkdirAll(meta, 0o700))
	must.Do(t, os.WriteFile(filepath.Join(meta, "meta.json"), []byte(`{"Endpoints":{"docker":{"Host":"`+host+`"}}}`), 0o600))
	r := must.Get(New(t.Context(), Options{}))(t)
	defer r.Close(t.Context())
	if got := r.cli.DaemonHost(); got != host {
		t.Errorf("engine %s, want %s", got, host)
	}
	f := must.Get(newFactory(r.cli, nil))(t)
	// The library finds a default network in every engine, and so makes none.
	nets := must.Get(f.cli.NetworkList(t.Context(), network.ListOptions{}))(t)
	if len(nets) != 1 || nets[0].Name != "bridge" || os.Getenv("DOCKER_HOST") != "" {
		t.Errorf("networks %v, DOCKER_HOST=%s", nets, os.Getenv("DOCKER_HOST"))
	}
}

func TestUnavailableHints(t *testing.T) {
	end := endpoint{host: "unix:///x"}
	for _, c := range []struct {
		err    error
		want   string
		absent bool
	}{
		{os.ErrPermission, "docker group", false},
		{context.DeadlineExceeded, "did not answer", false},
		{errors.New("internal error"), "internal error (unix:///x)", false},
	} {
		var missing *UnavailableError
		err := end.unavailable(c.err)
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), c.want) || missing.Absent != c.absent {
			t.Errorf("%v: got %v, absent %v", c.err, err, missing != nil && missing.Absent)
		}
	}
	if err := end.unavailable(context.Canceled); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Errorf("interrupted: %v", err)
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
	t.Setenv("DOCKER_HOST", httpEngine(t, "unix", plainEngine()))
	r := must.Get(New(t.Context(), Options{}))(t)
	must.Fail(t, "")(r.Shape(t.Context(), nil))
	must.Fail(t, "")(r.Launch(t.Context(), []runtime.Launch{{ID: "n"}}, nil))
	must.Fail(t, "")(r.Launch(t.Context(), nil, nil))
	must.Equal(t, "docker 1.2.3", r.Info(t.Context()).Text)
	for range 2 {
		must.Check(t, r.Close(t.Context()))
	}
}
