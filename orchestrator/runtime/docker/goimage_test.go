package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// fakeGo is a go command whose installed programs are copies of an executable.
type fakeGo struct {
	calls    []string
	programs []string // that install makes; nil: one
	fails    map[string]error
	mod      string // what mod edit prints of a go.mod
	goflags  string // what env prints beside the usual
	amd64    string
	version  string
}

func (f *fakeGo) run(_ context.Context, _ string, env []string, args ...string) ([]byte, error) {
	f.calls = append(f.calls, strings.Join(args, " "))
	if err := f.fails[args[0]+" "+args[len(args)-1]]; err != nil {
		return nil, err
	}
	switch args[0] {
	case "env":
		return fmt.Appendf(nil, `{"GOVERSION":"go1.99%s","GOFLAGS":"-mod=vendor -buildvcs=false%s","GOAMD64":%q,"GOEXPERIMENT":""}`, f.version, f.goflags, f.amd64), nil
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
	i := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, "GOBIN=") })
	programs := f.programs
	if programs == nil {
		programs = []string{"tool"}
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, p := range programs {
		if err := os.Link(exe, filepath.Join(strings.TrimPrefix(env[i], "GOBIN="), p)); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (f *fakeGo) installs() int {
	n := 0
	for _, c := range f.calls {
		if strings.HasPrefix(c, "install ") {
			n++
		}
	}
	return n
}

// builder returns a builder with a fake engine, in a directory beside the test binary so that programs can be links, and
// what it reports.
func builder(t *testing.T, f *fakeGo) (goBuilder, *[]string) {
	t.Helper()
	exe := must.Get(os.Executable())(t)
	dir := must.Get(os.MkdirTemp(filepath.Dir(exe), "builds"))(t)
	t.Cleanup(func() { os.RemoveAll(dir) })
	said := &[]string{}
	return goBuilder{engine: &fakeImages{}, dir: dir, run: f.run, progress: func(s string) { *said = append(*said, s) }}, said
}

const toolAt = "example.com/m/cmd/tool@v1.0.0"

func TestGoImage_BuiltOnce(t *testing.T) {
	f := &fakeGo{}
	b, said := builder(t, f)
	ref := must.Get(b.image(t.Context(), toolAt, "-s"))(t)
	images := b.engine.(*fakeImages)
	if _, ok := images.files["tool"]; !ok || images.imports != 1 || !strings.HasPrefix(ref, chainRepo+":") {
		t.Errorf("image %s with %v, %d imports", ref, images.files, images.imports)
	}
	if fmt.Sprint(*said) != "[building "+toolAt+" with go1.99]" {
		t.Errorf("progress %q", *said)
	}
	if want := "install -trimpath -ldflags=-s " + toolAt; f.calls[1] != want {
		t.Errorf("ran %q", f.calls)
	}
	if again, err := b.image(t.Context(), toolAt, "-s"); err != nil || again != ref || f.installs() != 1 {
		t.Errorf("again %s, %v, %d builds", again, err, f.installs())
	}
	wantEmpty(t, b.dir)
	// An image that only has the name is not used.
	delete(images.images, ref)
	if _, err := b.image(t.Context(), toolAt, "-s"); err != nil || f.installs() != 2 {
		t.Errorf("without its image: %v, %d builds", err, f.installs())
	}
}

// Each change of what decides a build's result gives another image; what is only about the user's own module does not.
func TestGoImage_TagDependsOnInputs(t *testing.T) {
	f := &fakeGo{amd64: "v1"}
	b, _ := builder(t, f)
	program, ldflags := toolAt, ""
	refs := map[string]bool{}
	for i, c := range []struct {
		name   string
		change func()
	}{
		{"first", func() {}},
		{"version", func() { program = "example.com/m/cmd/tool@v1.0.1" }},
		{"ldflags", func() { ldflags = "-s" }},
		{"GOFLAGS", func() { f.goflags = " -tags=x" }},
		{"GOAMD64", func() { f.amd64 = "v3" }},
		{"no GOAMD64", func() { f.amd64 = "" }},
		{"Go version", func() { f.version = ".1" }},
	} {
		c.change()
		for range 2 {
			ref := must.Get(b.image(t.Context(), program, ldflags))(t)
			refs[ref] = true
		}
		if f.installs() != i+1 || len(refs) != i+1 {
			t.Errorf("%s: %d builds, %d images, want %d", c.name, f.installs(), len(refs), i+1)
		}
	}
	before := f.installs()
	f.goflags += " -modfile=other.mod"
	if _, err := b.image(t.Context(), program, ldflags); err != nil || f.installs() != before {
		t.Errorf("-modfile: %v, %d builds", err, f.installs())
	}
}

func TestGoImage_ResolvesVersions(t *testing.T) {
	f := &fakeGo{fails: map[string]error{"list example.com/m/cmd/tool@latest": errors.New("no module"), "list example.com/m/cmd@latest": errors.New("no module")}}
	b, said := builder(t, f)
	must.Get(b.image(t.Context(), "example.com/m/cmd/tool@latest", ""))(t)
	want := "[example.com/m/cmd/tool@latest is v1.2.3 building example.com/m/cmd/tool@v1.2.3 with go1.99]"
	if fmt.Sprint(*said) != want {
		t.Errorf("progress %q", *said)
	}
	f.fails["list example.com/m@latest"] = errors.New("nor this")
	must.Fail(t, "nor this")(b.image(t.Context(), "example.com/m/cmd/tool@latest", ""))
	for v, want := range map[string]bool{
		"v1.2.3": true, "v0.0.0-20240101000000-abcdefabcdef": true, "v1.2.3-rc.1": true, "v2.0.0+incompatible": true,
		"latest": false, "v1": false, "v1.2": false, "main": false, "1.2.3": false, "abcdef": false,
	} {
		if exactVersion(v) != want {
			t.Errorf("exactVersion(%s) = %v", v, !want)
		}
	}
}

func TestGoImage_Errors(t *testing.T) {
	for _, bad := range []string{"example.com/m", "example.com/m@", "@v1.0.0", "-x@v1.0.0", "./m@v1.0.0", "/m@v1.0.0", "a b@v1.0.0", "a/...@v1.0.0*", "a//b@v1.0.0"} {
		b, _ := builder(t, &fakeGo{})
		if _, err := b.image(t.Context(), bad, ""); err == nil {
			t.Errorf("built %s", bad)
		}
	}
	for _, programs := range [][]string{{}, {"a", "b"}} {
		b, _ := builder(t, &fakeGo{programs: programs})
		must.Fail(t, "not one")(b.image(t.Context(), toolAt, ""))
	}
	for sign, hint := range map[string]string{
		"invalid reference to runtime.x": "-checklinkname=0", "requires go >= 1.99 (running go 1.26; GOTOOLCHAIN=local)": "newer Go",
		"dial tcp: timeout": "GOPROXY", "something else": "something else",
	} {
		b, _ := builder(t, &fakeGo{fails: map[string]error{"install " + toolAt: errors.New(sign)}})
		must.Fail(t, hint)(b.image(t.Context(), toolAt, ""))
		if left, err := os.ReadDir(b.dir); err != nil || len(left) > 0 || b.engine.(*fakeImages).imports > 0 {
			t.Errorf("%s: left %v, %v", sign, left, err)
		}
	}
}

// A proxy may serve a version of a module and no list of its versions.
func TestGoImage_ProxyWithoutVersionList(t *testing.T) {
	noList := errors.New("go install: exit status 1; it printed:\n    | go: loading deprecation for example.com/m: 403 Forbidden")
	f := &fakeGo{fails: map[string]error{"install " + toolAt: noList}, mod: `{"Module": {"Path": "example.com/m"}, "Replace": null}`}
	b, _ := builder(t, f)
	must.Get(b.image(t.Context(), toolAt, "-s"))(t)
	want := []string{
		"env -json GOVERSION GOFLAGS " + strings.Join(goVars, " "), "install -trimpath -ldflags=-s " + toolAt, "mod init netsplit.invalid/build", "get " + toolAt,
		"list -f {{.Module.GoMod}} example.com/m/cmd/tool", "mod edit -json /cache/m.mod", "install -trimpath -ldflags=-s example.com/m/cmd/tool",
	}
	must.Equal(t, want, f.calls)
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		edit func(*fakeGo)
		want error
	}{
		"replaced":         {func(f *fakeGo) { f.mod = `{"Replace": [{"Old": {"Path": "a"}}]}` }, errReplaced},
		"another failure":  {func(f *fakeGo) { f.fails["install "+toolAt] = boom }, boom},
		"get fails":        {func(f *fakeGo) { f.fails["get "+toolAt] = boom }, boom},
		"does not compile": {func(f *fakeGo) { f.fails["install example.com/m/cmd/tool"] = boom }, boom},
	} {
		f := &fakeGo{fails: map[string]error{"install " + toolAt: noList}, mod: "{}"}
		c.edit(f)
		b, _ := builder(t, f)
		if _, err := b.image(t.Context(), toolAt, ""); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, _ = builder(t, &fakeGo{fails: map[string]error{"install " + toolAt: noList}, mod: "no JSON"})
	must.Fail(t, "read the go.mod of "+toolAt)(b.image(t.Context(), toolAt, ""))
}

func TestRunGo(t *testing.T) {
	env := buildEnv(buildFlags("-mod=vendor -buildvcs=false --modfile=x"))
	if !slices.Contains(env, "GOFLAGS=-buildvcs=false -trimpath") || !slices.Contains(env, "CGO_ENABLED=0") {
		t.Errorf("environment %q", env)
	}
	if out, err := runGo(t.Context(), t.TempDir(), env, "env", "CGO_ENABLED"); err != nil || string(out) != "0\n" {
		t.Errorf("%q, %v", out, err)
	}
	must.Fail(t, "it printed:\n    | go nonsense: unknown command")(runGo(t.Context(), t.TempDir(), nil, "nonsense"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must.Fail(t, context.Canceled)(runGo(ctx, t.TempDir(), nil, "env"))
	t.Setenv("PATH", "/nowhere")
	must.Fail(t, errNoGo)(runGo(t.Context(), t.TempDir(), nil, "env"))
}

func TestImage_Go(t *testing.T) {
	t.Parallel()
	r := open(t)
	// A module that this one needs anyway, so that nothing is fetched.
	version := must.Get(runGo(t.Context(), ".", nil, "list", "-m", "-f", "{{.Version}}", "github.com/rogpeppe/go-internal"))(t)
	source := runtime.ImageSource{Go: "github.com/rogpeppe/go-internal/cmd/txtar-x@" + strings.TrimSpace(string(version)), LDFlags: "-s -w -X main.run=" + uniqueName("run")}
	ref := must.Get(r.BuildImage(t.Context(), source, nil))(t)
	removeImageAfter(t, r, ref)
	res, err := r.RunCommand(t.Context(), runtime.Command{
		Image: ref, Args: []string{"-C", "/out", "/in"}, Files: map[string][]byte{"/in": []byte("-- a/b --\ntext\n")}, Collect: []string{"/out"},
	})
	if err != nil || string(res.Files["/out/a/b"]) != "text\n" {
		t.Errorf("%q, %v", res.Files, err)
	}
	var said []string
	if again, err := r.BuildImage(t.Context(), source, func(s string) { said = append(said, s) }); err != nil || again != ref || len(said) > 0 {
		t.Errorf("%s, %q, %v", again, said, err)
	}
}

// scriptedGo puts a go command on PATH that blocks in every build. Before that it writes the directory of its temporary
// files to the pipe that is returned, and the pipe ends when the last of its processes does.
func scriptedGo(t *testing.T, install string) (alive string) {
	t.Helper()
	dir := t.TempDir()
	alive = filepath.Join(dir, "alive")
	for _, pipe := range []string{alive, filepath.Join(dir, "never")} {
		must.Do(t, syscall.Mkfifo(pipe, 0o600))
	}
	script := "#!/bin/sh\ncase $1 in\nenv) echo '{\"GOVERSION\": \"go1.99\"}' ;;\n*) " + install + " ;;\nesac\n"
	must.Do(t, os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("ALIVE", alive)
	t.Setenv("NEVER", filepath.Join(dir, "never"))
	return alive
}

// openPipe opens a pipe of scriptedGo, when the build is under way, and returns it with the first line.
func openPipe(t *testing.T, alive string) (*bufio.Reader, string) {
	t.Helper()
	f := must.Get(os.OpenFile(alive, os.O_RDONLY, 0))(t)
	t.Cleanup(func() { f.Close() })
	must.Do(t, f.SetReadDeadline(time.Now().Add(time.Minute)))
	r := bufio.NewReader(f)
	tmp := must.Get(r.ReadString('\n'))(t)
	return r, strings.TrimSpace(tmp)
}

// An interrupt in the middle of a build leaves neither a compiler, which may ignore it, nor files.
func TestGoImage_InterruptLeavesNothing(t *testing.T) {
	alive := scriptedGo(t, `: >"$GOTMPDIR/go-build1"
	(trap '' INT; exec 9>"$ALIVE"; echo "$GOTMPDIR" >&9; exec cat "$NEVER") >/dev/null 2>&1 &
	wait`)
	b, _ := builder(t, nil)
	b.run = runGo
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := b.image(ctx, toolAt, "")
		failed <- err
	}()
	pipe, tmp := openPipe(t, alive)
	if filepath.Dir(tmp) != b.dir {
		t.Errorf("it builds in %s, not below %s", tmp, b.dir)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := io.ReadAll(pipe); err != nil {
		t.Errorf("a child still runs: %v", err)
	}
	wantEmpty(t, b.dir)
}

// The next build removes what a build left whose process was killed; what another process builds in stays.
func TestGoImage_SweepsKilledBuilds(t *testing.T) {
	alive := scriptedGo(t, `exec 9>"$ALIVE"; echo "$GOTMPDIR" >&9; exec cat "$NEVER"`)
	next, _ := builder(t, &fakeGo{})
	exe := must.Get(os.Executable())(t)
	cmd := exec.CommandContext(t.Context(), exe, "build", next.dir)
	must.Do(t, cmd.Start())
	pipe, tmp := openPipe(t, alive)
	must.Get(next.image(t.Context(), "example.com/other@v1.0.0", ""))(t)
	if _, err := os.Stat(tmp); err != nil {
		t.Errorf("a directory that is built in was removed: %v", err)
	}
	must.Do(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	if _, err := io.ReadAll(pipe); err != nil {
		t.Errorf("go still runs: %v", err)
	}
	if _, err := os.Stat(tmp); err != nil {
		t.Errorf("nothing was left to sweep: %v", err)
	}
	must.Get(next.image(t.Context(), "example.com/other@v1.0.1", ""))(t)
	wantEmpty(t, next.dir)
	next.dir = filepath.Join(exe, "nowhere")
	must.Fail(t, syscall.ENOTDIR)(next.image(t.Context(), toolAt, ""))
}
