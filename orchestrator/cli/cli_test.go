package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/faults/agent"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

// The test binary is also netsplit where it goes by that name, and the fault agent of the containers that tests attach to.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		os.Exit(agent.Main(ctx, os.Args[2:], os.Stdout, os.Stderr))
	}
	testscript.Main(leakChecked{m}, map[string]func(){
		"netsplit": func() {
			if host := os.Getenv(defaultEngine); host != "" {
				docker.DefaultHost = host
			}
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(Main(ctx, os.Args, os.Stdout, os.Stderr))
		},
	})
}

// defaultEngine is the variable with the address of the engine that transcripts find where none is named.
const defaultEngine = "TEST_DEFAULT_ENGINE"

// buildDir is where tests build programs.
var buildDir string

// leakChecked fails the tests when they leave goroutines behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	if err := docker.OwnTests(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var err error
	if buildDir, err = os.MkdirTemp("", "netsplit-cli-test"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(buildDir)
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestTranscripts runs the command line as a user does, on a host without a container engine. Besides testscript's own
// commands there are:
//
//	exits CODE netsplit ...   the command ends with that very exit code
//	mode PERM FILE            the file has that mode
//	halve FILE                cut the file's second half off
//	engine ADDRESS PATH=REPLY...
//	                          serve as a container engine on a socket of the directory, or on a port of loopback, whose address
//	                          goes to the variable ENGINE; what has no reply is not found
func TestTranscripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: prepareTranscript,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "mode": mode, "halve": halve, "engine": engine,
		},
		UpdateScripts: os.Getenv("UPDATE_TRANSCRIPTS") != "",
	})
}

func prepareTranscript(e *testscript.Env) error {
	e.Setenv(defaultEngine, "unix://"+filepath.Join(e.WorkDir, "no.sock"))
	e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		return err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(e.WorkDir, filepath.Base(name)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode PERM FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// engine replies as an engine without any containers does, but for the paths that args give replies of their own.
func engine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: engine ADDRESS PATH=REPLY...")
	}
	replies := map[string]string{
		"/version": `{"Version":"1.2.3"}`, "/info": `{}`, "/containers/json": "[]", "/networks": "[]", "/_ping": "OK",
	}
	for _, arg := range args[1:] {
		path, reply, _ := strings.Cut(arg, "=")
		replies[path] = reply
	}
	var l net.Listener
	var err error
	if args[0] == "tcp" {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	} else {
		l, err = net.Listen("unix", ts.MkAbs(args[0]))
	}
	ts.Check(err)
	ts.Setenv("ENGINE", l.Addr().Network()+"://"+l.Addr().String())
	version := regexp.MustCompile(`^/v[0-9.]+`)
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		reply, ok := replies[version.ReplaceAllString(r.URL.Path, "")]
		switch {
		case strings.HasPrefix(r.URL.Path, "/v9.99/"):
			http.Error(w, `{"message":"client version 9.99 is too new. Maximum supported API version is 1.41"}`, http.StatusBadRequest)
		case !ok:
			http.Error(w, `{"message":"not found"}`, http.StatusNotFound)
		default:
			_, _ = io.WriteString(w, reply)
		}
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	ts.Defer(func() { _ = srv.Close(); <-done })
}

func halve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: halve FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), info.Size()/2))
}
