package docker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// open returns a runtime without a testnet.
func open(t *testing.T) *Runtime {
	t.Helper()
	needDocker(t)
	r, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// helper is a small program for images, built from testdata once for each test that wants it.
func helper(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "helper")
	cmd := exec.Command("go", "build", "-o", file, "./testdata/helper")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return file
}

func helperImage(t *testing.T, r *Runtime) string {
	t.Helper()
	ref, err := r.BuildImage(t.Context(), runtime.ImageSource{Binary: helper(t)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestSourcesHaveOneWay(t *testing.T) {
	for _, c := range []struct {
		source runtime.ImageSource
		ok     bool
	}{
		{runtime.ImageSource{}, false},
		{runtime.ImageSource{Go: "a", Ref: "b"}, false},
		{runtime.ImageSource{Ref: "b", LDFlags: "-s"}, false},
		{runtime.ImageSource{Go: "a", LDFlags: "-s"}, true},
		{runtime.ImageSource{Dockerfile: "a"}, true},
	} {
		if err := oneWay(c.source); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.source, err)
		}
	}
}

func TestImageThatTheEngineLacks(t *testing.T) {
	r := open(t)
	_, err := r.BuildImage(t.Context(), runtime.ImageSource{Ref: "netsplit-no-such-image:1"}, nil)
	if err == nil || !strings.Contains(err.Error(), "docker pull") {
		t.Errorf("got %v", err)
	}
}

func TestOnceGivesFilesAndOutput(t *testing.T) {
	r := open(t)
	ref := helperImage(t, r)
	res, err := r.RunCommand(t.Context(), runtime.Command{
		Image: ref, Args: []string{"copy", "/in/deep/file", "/out/a/b", "stdout"},
		Files: map[string][]byte{"/in/deep/file": []byte("content")}, Collect: []string{"/out", "/in/deep/file"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(res.Stdout); got != "stdout\n" {
		t.Errorf("stdout %q", got)
	}
	if string(res.Files["/out/a/b"]) != "content" || string(res.Files["/in/deep/file"]) != "content" || len(res.Files) != 2 {
		t.Errorf("files %q", res.Files)
	}
	left, err := remaining(t.Context(), r.cli, filters.NewArgs(filters.Arg("name", fmt.Sprintf("netsplit-once-%d-", os.Getpid()))))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestOnceFails(t *testing.T) {
	r := open(t)
	ref := helperImage(t, r)
	for _, c := range []struct {
		name string
		once runtime.Command
		want string
	}{
		{"status", runtime.Command{Args: []string{"fail", "30"}}, "status 7; it printed:\n    | line 1\n    | line 2\n    | line 3\n    | line 4\n    | line 5\n    | ... (10 lines)\n    | line 16\n"},
		{"no file", runtime.Command{Args: []string{"say", "x"}, Collect: []string{"/nowhere"}}, "did not make it"},
		{"bad path", runtime.Command{Collect: []string{"out/../x"}}, "absolute"},
		{"bad file", runtime.Command{Files: map[string][]byte{"x": nil}}, "absolute"},
		{"link", runtime.Command{Args: []string{"link", "/etc/passwd", "/out"}, Collect: []string{"/out"}}, "neither a file nor a directory"},
		{"loud", runtime.Command{Args: []string{"loud", "2000000"}}, "more than 1048576 bytes"},
		{"network", runtime.Command{Args: []string{"dial", "192.0.2.1:80"}}, "unreachable"},
	} {
		c.once.Image = ref
		_, err := r.RunCommand(t.Context(), c.once)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := r.RunCommand(t.Context(), runtime.Command{Image: "netsplit-no-such-image:1"}); err == nil {
		t.Error("ran in nothing")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := r.RunCommand(ctx, runtime.Command{Image: ref, Args: []string{"serve"}}); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("endless: %v", err)
	}
}

func TestForeignNode(t *testing.T) {
	sink := newRecord()
	r, hosts := created(t, 2, sink, Options{})
	ref := helperImage(t, r)
	var nodes []runtime.Launch
	for _, h := range hosts {
		nodes = append(nodes, runtime.Launch{ID: h.ID, Image: ref, Args: []string{"serve"}, Env: []string{"WHO=" + string(h.ID)}, Files: map[string][]byte{
			"/home/x/config.toml": []byte("a"), "/home/x/node_key.json": []byte("b"),
		}})
	}
	if err := r.Launch(t.Context(), nodes, nil); err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		if got := mustGet(t, r, h, "/env?name=WHO"); got != string(h.ID) {
			t.Errorf("WHO = %q", got)
		}
		for name, mode := range map[string]string{"/home": "drwxr-xr-x", "/home/x": "drwxr-xr-x", "/home/x/config.toml": "-rw-r--r--", "/home/x/node_key.json": "-rw-------"} {
			if got := mustGet(t, r, h, "/mode?path="+name); got != mode {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
	if _, err := get(t, r, hosts[0], "/mode?path=/data"); err == nil {
		t.Error("a foreign image has /data")
	}
	for _, v := range []faults.Verb{faults.Pause, faults.Resume, faults.Restart, faults.Kill, faults.Start} {
		do(t, r, v, hosts[0].ID)
	}
	sink.until(t, "lines of all starts", func() bool {
		return strings.Join(sink.lines[hosts[0].ID], " ") == "serving got terminated serving serving"
	})
	mustGet(t, r, hosts[0], "/env?name=WHO")
	if _, err := get(t, r, hosts[1], "/exit"); err == nil {
		t.Error("it did not exit")
	}
	sink.until(t, "its exit", func() bool { return len(sink.exits[hosts[1].ID]) == 1 })
}

func TestForeignNodeWithAStopSignalAndAUser(t *testing.T) {
	sink := newRecord()
	r, hosts := created(t, 1, sink, Options{})
	dir := t.TempDir()
	b, err := os.ReadFile(helper(t))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "helper", string(b))
	write(t, dir, "passwd", "root:x:0:0::/:\nnode:x:1234:4321::/home:\n")
	write(t, dir, "ignored", "x")
	write(t, dir, "unique", r.plan.ID) // an earlier run's image is another
	write(t, dir, ".dockerignore", "ignored\n")
	write(t, dir, "Dockerfile", "FROM scratch\nCOPY helper /helper\nCOPY passwd /etc/passwd\nUSER node\nSTOPSIGNAL SIGINT\nENTRYPOINT [\"/helper\"]\n")
	if err := os.Chmod(filepath.Join(dir, "helper"), 0o755); err != nil {
		t.Fatal(err)
	}
	var steps []string
	source := runtime.ImageSource{Dockerfile: filepath.Join(dir, "Dockerfile")}
	ref, err := r.BuildImage(t.Context(), source, func(s string) { steps = append(steps, s) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// By force: the container goes only later, with Close.
		if _, err := r.cli.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	if len(steps) < 4 {
		t.Errorf("progress %q", steps)
	}
	steps = nil
	write(t, dir, "ignored", "y")
	if again, err := r.BuildImage(t.Context(), source, func(s string) { steps = append(steps, s) }); err != nil || again != ref || steps != nil {
		t.Errorf("again %s for %s, %q, %v", again, ref, steps, err)
	}
	launch := runtime.Launch{ID: hosts[0].ID, Image: ref, Args: []string{"serve"}, Files: map[string][]byte{"/home/key": []byte("secret")}}
	if err := r.Launch(t.Context(), []runtime.Launch{launch}, nil); err != nil {
		t.Fatal(err)
	}
	if got := mustGet(t, r, hosts[0], "/file?path=/home/key"); got != "secret" {
		t.Errorf("its own file: %q", got)
	}
	do(t, r, faults.Stop, hosts[0].ID)
	sink.until(t, "its own signal", func() bool {
		return strings.Join(sink.lines[hosts[0].ID], " ") == "serving got interrupt"
	})
	c, err := r.cli.ContainerInspect(t.Context(), containerName(r.plan.ID, hosts[0].ID))
	if err != nil || c.State.Status != container.StateExited {
		t.Errorf("state %v, %v", c.State, err)
	}
}

// What a killed process leaves of a command is found, and is no node.
func TestCommandsThatWereLeft(t *testing.T) {
	e := newFakeEngine()
	e.add("a", 1)
	e.containers["in-a"] = map[string]string{labelTool: tool, labelTestnet: "a", labelKind: kindOnce}
	e.containers["alone"] = map[string]string{labelTool: tool, labelTestnet: "once-1-1", labelKind: kindOnce}
	e.containers["stranger"] = map[string]string{labelTool: tool} // from the image of a program that was built here
	found, err := list(t.Context(), e, byTool())
	if err != nil || len(found) != 2 || len(found[0].Nodes) != 1 || found[1].ID != "once-1-1" || len(found[1].Nodes) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
	for _, id := range []string{"a", "once-1-1"} {
		if err := sweep(t.Context(), e, byTestnet(id)); err != nil {
			t.Error(err)
		}
	}
	if len(e.containers) != 1 {
		t.Errorf("left %v", e.containers)
	}
}

func TestDockerfileThatFails(t *testing.T) {
	r := open(t)
	dir := t.TempDir()
	write(t, dir, "Dockerfile", "FROM scratch\nCOPY nothing /x\n")
	_, err := r.BuildImage(t.Context(), runtime.ImageSource{Dockerfile: filepath.Join(dir, "Dockerfile")}, nil)
	if err == nil || !strings.Contains(err.Error(), "nothing") || !strings.Contains(err.Error(), "| Step 2/") {
		t.Errorf("got %v", err)
	}
}

func TestLaunchOfAnImageThatIsNotThere(t *testing.T) {
	r, hosts := created(t, 1, nil, Options{})
	err := r.Launch(t.Context(), []runtime.Launch{{ID: hosts[0].ID, Image: "netsplit-no-such-image:1"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "docker pull") {
		t.Errorf("got %v", err)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
