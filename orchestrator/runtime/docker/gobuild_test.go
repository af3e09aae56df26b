package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// fakeGo is a go command that writes a program.
type fakeGo struct {
	mu       sync.Mutex
	calls    []string
	programs []string // that install makes; nil: one
	fails    map[string]error
	began    chan struct{} // closed by the first install, if not nil
	goOn     chan struct{} // that install then waits for
	mod      string        // what mod edit says of a go.mod
	goflags  string        // what env says beside the usual
	amd64    string
	env      []string // of the last install
}

func (f *fakeGo) run(_ context.Context, _ string, env []string, args ...string) ([]byte, error) {
	f.mu.Lock()
	f.calls = append(f.calls, strings.Join(args, " "))
	f.mu.Unlock()
	if err := f.fails[args[0]+" "+args[len(args)-1]]; err != nil {
		return nil, err
	}
	switch args[0] {
	case "env":
		return fmt.Appendf(nil, `{"GOVERSION":"go1.99","GOFLAGS":"-mod=vendor -buildvcs=false%s","GOAMD64":%q,"GOEXPERIMENT":""}`, f.goflags, f.amd64), nil
	case "list":
		if slices.Contains(args, "-f") {
			return []byte("/cache/m.mod\n"), nil
		}
		return []byte(`{"Version":"v1.2.3"}`), nil
	case "mod":
		return []byte(f.mod), nil
	case "get":
		return nil, nil
	}
	if f.began != nil {
		close(f.began)
		<-f.goOn
	}
	f.mu.Lock()
	f.env = env
	f.mu.Unlock()
	bin := ""
	for _, e := range env {
		if b, ok := strings.CutPrefix(e, "GOBIN="); ok {
			bin = b
		}
	}
	programs := f.programs
	if programs == nil {
		programs = []string{"tool"}
	}
	for _, p := range programs {
		if err := os.WriteFile(filepath.Join(bin, p), []byte(args[len(args)-1]), 0o700); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (f *fakeGo) installs() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(f.calls), func(c string) bool { return !strings.HasPrefix(c, "install") }))
}

func builder(t *testing.T, f *fakeGo) (goBuilder, *[]string) {
	said := &[]string{}
	return goBuilder{cache: t.TempDir(), run: f.run, progress: func(s string) { *said = append(*said, s) }}, said
}

func TestProgramsAreBuiltOnce(t *testing.T) {
	f := &fakeGo{}
	b, said := builder(t, f)
	file, err := b.build(t.Context(), "example.com/m/cmd/tool@v1.0.0", "-s")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "example.com/m/cmd/tool@v1.0.0" {
		t.Errorf("built %q, %v", got, err)
	}
	if len(*said) != 1 || (*said)[0] != "building example.com/m/cmd/tool@v1.0.0 with go1.99" {
		t.Errorf("progress %q", *said)
	}
	if want := "install -trimpath -ldflags=-s example.com/m/cmd/tool@v1.0.0"; f.calls[1] != want {
		t.Errorf("ran %q", f.calls)
	}
	if again, err := b.build(t.Context(), "example.com/m/cmd/tool@v1.0.0", "-s"); err != nil || again != file || f.installs() != 1 {
		t.Errorf("again %s, %v, %d builds", again, err, f.installs())
	}
	for i, other := range [][2]string{{"example.com/m/cmd/tool@v1.0.1", "-s"}, {"example.com/m/cmd/tool@v1.0.0", ""}} {
		if _, err := b.build(t.Context(), other[0], other[1]); err != nil || f.installs() != i+2 {
			t.Errorf("%v: %v, %d builds", other, err, f.installs())
		}
	}
	for name, damage := range map[string]func() error{
		"program":  func() error { return os.WriteFile(file, []byte("evil"), 0o700) },
		"no file":  func() error { return os.Remove(file) },
		"no note":  func() error { return os.Remove(filepath.Join(filepath.Dir(file), builtFile)) },
		"bad note": func() error { return os.WriteFile(filepath.Join(filepath.Dir(file), builtFile), []byte("{"), 0o600) },
	} {
		before := f.installs()
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.build(t.Context(), "example.com/m/cmd/tool@v1.0.0", "-s"); err != nil || f.installs() != before+1 {
			t.Errorf("damaged %s: %v, %d builds", name, err, f.installs()-before)
		}
	}
	left, err := filepath.Glob(filepath.Join(b.cache, ".build-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// What the user's environment puts into a program tells it apart from others.
func TestProgramsAreKeptByTheirFlagsAndVariables(t *testing.T) {
	f := &fakeGo{amd64: "v1"}
	b, _ := builder(t, f)
	files := map[string]bool{}
	for i, set := range []func(){
		func() {}, func() { f.goflags = " -tags=x" }, func() { f.amd64 = "v3" }, func() { f.goflags = " -tags=y" }, func() { f.goflags, f.amd64 = "", "" },
	} {
		set()
		for range 2 {
			file, err := b.build(t.Context(), "example.com/m@v1.0.0", "")
			if err != nil {
				t.Fatal(err)
			}
			files[file] = true
		}
		if f.installs() != i+1 || len(files) != i+1 {
			t.Errorf("case %d: %d builds, %d programs", i, f.installs(), len(files))
		}
	}
	// What is only about the module that the user is in changes nothing.
	f.goflags = " -modfile=other.mod"
	if _, err := b.build(t.Context(), "example.com/m@v1.0.0", ""); err != nil || f.installs() != 5 {
		t.Errorf("%v, %d builds", err, f.installs())
	}
}

func TestTwoBuildersBuildOnce(t *testing.T) {
	f := &fakeGo{began: make(chan struct{}), goOn: make(chan struct{})}
	b, _ := builder(t, f)
	waits := make(chan string, 1)
	second := goBuilder{cache: b.cache, run: f.run, progress: func(s string) { waits <- s }}
	var wg sync.WaitGroup
	build := func(b goBuilder) {
		if _, err := b.build(t.Context(), "example.com/m@v1.0.0", ""); err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { build(b) })
	<-f.began
	ctx, cancel := context.WithCancel(t.Context())
	impatient := goBuilder{cache: b.cache, run: f.run, progress: func(string) { cancel() }}
	if _, err := impatient.build(ctx, "example.com/m@v1.0.0", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("impatient: %v", err)
	}
	wg.Go(func() { build(second) })
	if s := <-waits; !strings.Contains(s, "waiting for another netsplit") {
		t.Errorf("progress %q", s)
	}
	close(f.goOn)
	wg.Wait()
	if n := f.installs(); n != 1 {
		t.Errorf("%d builds", n)
	}
}

func TestVersionsAreResolved(t *testing.T) {
	f := &fakeGo{fails: map[string]error{"list example.com/m/cmd/tool@latest": errors.New("no module"), "list example.com/m/cmd@latest": errors.New("no module")}}
	b, said := builder(t, f)
	if _, err := b.build(t.Context(), "example.com/m/cmd/tool@latest", ""); err != nil {
		t.Fatal(err)
	}
	want := "[example.com/m/cmd/tool@latest is v1.2.3 building example.com/m/cmd/tool@v1.2.3 with go1.99]"
	if fmt.Sprint(*said) != want {
		t.Errorf("progress %q", *said)
	}
	f.fails["list example.com/m@latest"] = errors.New("nor this")
	if _, err := b.build(t.Context(), "example.com/m/cmd/tool@latest", ""); err == nil || !strings.Contains(err.Error(), "nor this") {
		t.Errorf("got %v", err)
	}
	for v, want := range map[string]bool{
		"v1.2.3": true, "v0.0.0-20240101000000-abcdefabcdef": true, "v1.2.3-rc.1": true, "v2.0.0+incompatible": true,
		"latest": false, "v1": false, "v1.2": false, "main": false, "1.2.3": false, "abcdef": false,
	} {
		if exactVersion(v) != want {
			t.Errorf("exactVersion(%s) = %v", v, !want)
		}
	}
}

func TestProgramsThatCannotBeBuilt(t *testing.T) {
	for _, bad := range []string{"example.com/m", "example.com/m@", "@v1.0.0", "-x@v1.0.0", "./m@v1.0.0", "/m@v1.0.0", "a b@v1.0.0", "a/...@v1.0.0*", "a//b@v1.0.0"} {
		b, _ := builder(t, &fakeGo{})
		if _, err := b.build(t.Context(), bad, ""); err == nil {
			t.Errorf("built %s", bad)
		}
	}
	for _, programs := range [][]string{{}, {"a", "b"}} {
		b, _ := builder(t, &fakeGo{programs: programs})
		if _, err := b.build(t.Context(), "example.com/m@v1.0.0", ""); err == nil || !strings.Contains(err.Error(), "not one") {
			t.Errorf("%d programs: %v", len(programs), err)
		}
	}
	for sign, hint := range map[string]string{
		"invalid reference to runtime.x": "-checklinkname=0", "requires go >= 1.99 (running go 1.26; GOTOOLCHAIN=local)": "newer Go",
		"dial tcp: timeout": "GOPROXY", "something else": "something else",
	} {
		f := &fakeGo{fails: map[string]error{"install example.com/m@v1.0.0": errors.New(sign)}}
		b, _ := builder(t, f)
		if _, err := b.build(t.Context(), "example.com/m@v1.0.0", ""); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", sign, err)
		}
		if entries, err := filepath.Glob(filepath.Join(b.cache, "*", builtFile)); err != nil || len(entries) > 0 {
			t.Errorf("kept %v, %v", entries, err)
		}
	}
}

func TestTheGoCommand(t *testing.T) {
	env := buildEnv(keptFlags("-mod=vendor -buildvcs=false --modfile=x"))
	if !slices.Contains(env, "GOFLAGS=-buildvcs=false -trimpath") || !slices.Contains(env, "CGO_ENABLED=0") {
		t.Errorf("environment %q", env)
	}
	if out, err := runGo(t.Context(), t.TempDir(), env, "env", "CGO_ENABLED"); err != nil || string(out) != "0\n" {
		t.Errorf("%q, %v", out, err)
	}
	_, err := runGo(t.Context(), t.TempDir(), nil, "nonsense")
	if err == nil || !strings.Contains(err.Error(), "it printed:\n    | go nonsense: unknown command") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runGo(ctx, t.TempDir(), nil, "env"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	t.Setenv("PATH", "/nowhere")
	if _, err := runGo(t.Context(), t.TempDir(), nil, "env"); !errors.Is(err, errNoGo) {
		t.Errorf("got %v", err)
	}
	t.Setenv("XDG_CACHE_HOME", "relative")
	if _, err := chainCache(); err == nil {
		t.Error("a cache in a relative directory")
	}
	if _, err := kept(t.TempDir(), built{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestImageOfAGoProgram(t *testing.T) {
	r := open(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	source := runtime.ImageSource{Go: "github.com/rogpeppe/go-internal/cmd/txtar-x@" + goInternal(t), LDFlags: "-s -w"}
	var said []string
	ref, err := r.BuildImage(t.Context(), source, func(s string) { said = append(said, s) })
	if err != nil {
		t.Fatal(err)
	}
	if len(said) != 1 {
		t.Errorf("progress %q", said)
	}
	res, err := r.RunCommand(t.Context(), runtime.Command{
		Image: ref, Args: []string{"-C", "/out", "/in"}, Files: map[string][]byte{"/in": []byte("-- a/b --\ntext\n")}, Collect: []string{"/out"},
	})
	if err != nil || string(res.Files["/out/a/b"]) != "text\n" {
		t.Errorf("%q, %v", res.Files, err)
	}
	if again, err := r.BuildImage(t.Context(), source, nil); err != nil || again != ref {
		t.Errorf("%s, %v", again, err)
	}
}

// goInternal is the version of a module that this one needs anyway, so that nothing is fetched.
func goInternal(t *testing.T) string {
	t.Helper()
	out, err := runGo(t.Context(), ".", nil, "list", "-m", "-f", "{{.Version}}", "github.com/rogpeppe/go-internal")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
