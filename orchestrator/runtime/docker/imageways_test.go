package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/pkg/jsonmessage"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// A program of this host that needs a loader and libraries runs in an image that has nothing else.
func TestImageOfADynamicProgram(t *testing.T) {
	r := open(t)
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	libs, err := sharedObjects(cat)
	if err != nil || len(libs) < 2 {
		t.Skipf("%s is no program with libraries here: %v, %v", cat, libs, err)
	}
	b, err := os.ReadFile(cat)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "reader") // its name and place are the user's
	if err := os.WriteFile(file, b, 0o700); err != nil {
		t.Fatal(err)
	}
	ref, err := r.BuildImage(t.Context(), runtime.ImageSource{Binary: file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.RunCommand(t.Context(), runtime.Command{Image: ref, Args: []string{"/in"}, Files: map[string][]byte{"/in": []byte("content")}})
	if err != nil || string(res.Stdout) != "content" {
		t.Errorf("it printed %q, %v", res.Stdout, err)
	}
	if _, err := r.RunCommand(t.Context(), runtime.Command{Image: ref, Args: []string{"/etc/passwd"}}); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("something of the host is in the image: %v", err)
	}
}

// imported makes an image as docker import does, from the helper alone, with changes or none.
func imported(t *testing.T, r *Runtime, name string, changes ...string) string {
	t.Helper()
	b, err := os.ReadFile(helper(t))
	if err != nil {
		t.Fatal(err)
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	if err := w.WriteHeader(&tar.Header{Name: "bin/helper", Mode: 0o755, Size: int64(len(b)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ref := "netsplit-test/" + name + ":" + strings.TrimPrefix(r.plan.ID, "test-")
	body, err := r.cli.ImageImport(t.Context(), image.ImportSource{Source: &files, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if err := jsonmessage.DisplayJSONMessagesStream(body, io.Discard, 0, false, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// By force: containers go only later, with Close.
		if _, err := r.cli.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	return ref
}

// What docker import made runs, with an entry point and, where it was given none, with the program as the first argument.
func TestImageThatWasImported(t *testing.T) {
	r, hosts := created(t, 2, nil, Options{})
	bare := imported(t, r, "bare")
	entry := imported(t, r, "entry", `ENTRYPOINT ["/bin/helper"]`, "ENV WHO=image")
	for i, c := range []struct {
		ref  string
		args []string
		who  string
	}{{bare, []string{"/bin/helper"}, ""}, {entry, nil, "image"}} {
		ref, err := r.BuildImage(t.Context(), runtime.ImageSource{Ref: c.ref}, nil)
		if err != nil || ref != c.ref {
			t.Fatalf("%s, %v", ref, err)
		}
		res, err := r.RunCommand(t.Context(), runtime.Command{
			Image: ref, Args: append(c.args, "copy", "/in", "/out/file", "done"), Files: map[string][]byte{"/in": []byte("x")}, Collect: []string{"/out/file"},
		})
		if err != nil || string(res.Stdout) != "done\n" || string(res.Files["/out/file"]) != "x" {
			t.Errorf("%s printed %q, left %q, %v", ref, res.Stdout, res.Files, err)
		}
		node := runtime.Launch{ID: hosts[i].ID, Image: ref, Args: append(c.args, "serve"), Files: map[string][]byte{"/home/key": []byte("secret")}}
		if err := r.Launch(t.Context(), []runtime.Launch{node}, nil); err != nil {
			t.Fatal(err)
		}
		if got := mustGet(t, r, hosts[i], "/file?path=/home/key"); got != "secret" {
			t.Errorf("%s: its file holds %q", ref, got)
		}
		if got := mustGet(t, r, hosts[i], "/env?name=WHO"); got != c.who {
			t.Errorf("%s: WHO=%s", ref, got)
		}
		do(t, r, faults.Stop, hosts[i].ID)
	}
}
