package agent

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/netsplit/netsplit/ci/must"
)

// TestMain runs the test binary as an agent when it is called as one: some tests kill an agent process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "agent" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		code := Main(ctx, os.Args[2:], os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

func TestMain_Arguments(t *testing.T) {
	cfg, err := parseArgs([]string{"--testnet", "a-1", "--socket", "/s", "--lease", "require", "--bridge", "br0", "--journal", "/j", "--netns", "/n", "--protect-host"}, nil)
	want := Config{Testnet: "a-1", Socket: "/s", RequireLease: true, Bridge: "br0", ProtectHost: true, Journal: "/j", Netns: "/n"}
	if err != nil || cfg != want {
		t.Errorf("parsed %+v, %v", cfg, err)
	}
	for args, want := range map[string]string{
		"":                                       "--socket is required",
		"--socket /s":                            "--testnet: testnet ID has 0 bytes",
		"--socket /s --testnet A":                "other than a-z",
		"--socket /s --testnet a --lease yes":    `--lease is "yes"`,
		"--socket /s --testnet a --protect-host": "needs --bridge",
		"--socket /s --testnet a extra":          `unexpected argument "extra"`,
		"--sockets /s":                           "not defined",
		"--socket /s --testnet " + strings.Repeat("a", 41): "41 bytes",
	} {
		var out, errs bytes.Buffer
		if code := Main(t.Context(), strings.Fields(args), &out, &errs); code != exitUsage || !strings.Contains(errs.String(), want) || out.Len() > 0 {
			t.Errorf("%q: code %d, printed %q", args, code, errs.String())
		}
	}
	var errs bytes.Buffer
	if code := Main(t.Context(), []string{"--help"}, nil, &errs); code != exitOK || !strings.Contains(errs.String(), "-testnet") {
		t.Errorf("help: code %d, printed %q", code, errs.String())
	}
}

func TestMain_Failure(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "j")
	must.Do(t, os.WriteFile(journal, []byte("not json"), 0o600))
	var errs bytes.Buffer
	code := Main(t.Context(), []string{"--testnet", "x", "--socket", "/s", "--journal", journal}, nil, &errs)
	if code != exitFailed || !strings.Contains(errs.String(), "read journal") {
		t.Errorf("code %d, printed %q", code, errs.String())
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(path)
	if err != nil || j.old != nil {
		t.Fatalf("new journal: %+v, %v", j, err)
	}
	e := entry{Testnet: "x", PID: 7, Table: "netsplit-x", Queue: 41000}
	must.Do(t, j.record(e))
	must.Do(t, j.close(false)) // not healed: the entry stays
	j, err = openJournal(path)
	if err != nil || j.old == nil || *j.old != e {
		t.Fatalf("journal of a crash: %+v, %v", j, err)
	}
	for range 2 {
		must.Do(t, j.close(true))
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal stayed: %v", err)
	}
	if err := (&journal{path: "/no/such/dir/j"}).record(e); err == nil {
		t.Error("record returned no error for a directory that does not exist")
	}
	var none *journal
	if err := errors.Join(none.record(e), none.close(true)); err != nil {
		t.Errorf("no journal: %v", err)
	}
}

func TestListen_ExistingPaths(t *testing.T) {
	dir := must.Get(os.MkdirTemp("", "ns"))(t)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	ln := must.Get(listen(path))(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket's mode is %v, %v", info.Mode(), err)
	}
	if _, err := listen(path); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("a socket in use: %v", err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	again, err := listen(path)
	if err != nil {
		t.Fatalf("a socket without a process: %v", err)
	}
	again.Close()
	must.Do(t, os.WriteFile(path, nil, 0o600))
	if _, err := listen(path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file: %v", err)
	}
	if _, err := listen(filepath.Join(dir, "no", "s")); err == nil {
		t.Error("no error for a directory that does not exist")
	}
}

func TestServer_EngineFailure(t *testing.T) {
	dir := must.Get(os.MkdirTemp("", "ns"))(t)
	defer os.RemoveAll(dir)
	e := &fakeEngine{failed: make(chan struct{})}
	s := &Server{stopping: make(chan struct{}), prober: &fakeProber{}}
	s.controller = &controller{testnet: "t", engine: e, failed: s.stop}
	err := s.serve(t.Context(), filepath.Join(dir, "s"), func() { close(e.failed) })
	if err == nil || !strings.Contains(err.Error(), "the queue is gone") || !e.closed {
		t.Errorf("agent ended with %v, engine closed: %v", err, e.closed)
	}
}
