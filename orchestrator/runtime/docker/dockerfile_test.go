package docker

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestBuildContext(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": "FROM scratch", "a": "1", "skip/x": "2", "keep/y": "3", ".dockerignore": "skip\nDockerfile\n*.tmp\n!keep.tmp\n", "b.tmp": "", "keep.tmp": ""} {
		must.Do(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		write(t, dir, name, text)
	}
	must.Do(t, os.Symlink("a", filepath.Join(dir, "link")))
	var b bytes.Buffer
	must.Do(t, writeContext(&b, dir, "Dockerfile"))
	if got := listing(t, b.Bytes(), func(h *tar.Header, _ []byte) string { return h.Name }); got != ".dockerignore Dockerfile a keep/ keep.tmp keep/y link" && got != ".dockerignore Dockerfile a keep/ keep/y keep.tmp link" {
		t.Errorf("packed %s", got)
	}
	t.Setenv("TMPDIR", t.TempDir())
	sum := func() string {
		f, s, err := packContext(filepath.Join(dir, "Dockerfile"))
		must.Do(t, err)
		defer f.Close()
		// A killed build leaves nothing.
		wantEmpty(t, os.Getenv("TMPDIR"))
		if b, err := io.ReadAll(f); err != nil || len(b) == 0 {
			t.Errorf("packed %d bytes, %v", len(b), err)
		}
		return s
	}
	before := sum()
	write(t, dir, "skip/x", "changed")
	if sum() != before {
		t.Error("what is ignored counts")
	}
	write(t, dir, "a", "changed")
	if sum() == before {
		t.Error("what is not ignored does not count")
	}
	write(t, dir, ".dockerignore", "[\n")
	must.Fail(t, "")(writeContext(io.Discard, dir, "Dockerfile")) // a bad pattern
	must.Fail(t, "")(packContext("/nowhere/Dockerfile"))
}

func TestBuildArgs(t *testing.T) {
	env := func(name string) string {
		return map[string]string{"GOPROXY": "p", "https_proxy": "h"}[name]
	}
	if got := buildArgs("FROM x\nRUN y # ARG GOPROXY\n", env); len(got) != 1 || *got["https_proxy"] != "h" {
		t.Errorf("got %v", got)
	}
	if got := buildArgs("FROM x\n  arg GOPROXY=z\n", env); len(got) != 2 || *got["GOPROXY"] != "p" {
		t.Errorf("got %v", got)
	}
	must.Fail(t, "")(followBuild(strings.NewReader("{"), func(string) {}))
}

func TestImage_DockerfileFails(t *testing.T) {
	t.Parallel()
	r := open(t)
	dir := t.TempDir()
	write(t, dir, "Dockerfile", "FROM scratch\nCOPY nothing /x\n")
	_, err := r.BuildImage(t.Context(), runtime.ImageSource{Dockerfile: filepath.Join(dir, "Dockerfile")}, nil)
	if err == nil || !strings.Contains(err.Error(), "nothing") || !strings.Contains(err.Error(), "| Step 2/") {
		t.Errorf("got %v", err)
	}
}
