package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// fakeFiles is a container's file system: archives by path.
type fakeFiles struct {
	archives map[string][]tar.Header
	text     map[string]string // of regular files in archives, by header name
	mode     fs.FileMode
	asked    int
}

func (f *fakeFiles) ContainerStatPath(_ context.Context, _, path string) (container.PathStat, error) {
	f.asked++
	if _, ok := f.archives[path]; !ok {
		return container.PathStat{}, errdefs.ErrNotFound
	}
	return container.PathStat{Mode: f.mode}, nil
}

func (f *fakeFiles) CopyFromContainer(_ context.Context, _, path string) (io.ReadCloser, container.PathStat, error) {
	headers, ok := f.archives[path]
	if !ok {
		return nil, container.PathStat{}, errdefs.ErrNotFound
	}
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg && h.Size == 0 {
			h.Size = int64(len(f.text[h.Name]))
		}
		if err := tw.WriteHeader(&h); err != nil {
			return nil, container.PathStat{}, err
		}
		io.WriteString(tw, f.text[h.Name])
	}
	return io.NopCloser(&b), container.PathStat{Mode: f.mode}, nil
}

func reg(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }

func TestCollect(t *testing.T) {
	many := []tar.Header{}
	for i := range maxCollectFiles + 1 {
		many = append(many, reg(fmt.Sprintf("out/%d", i)))
	}
	for _, c := range []struct {
		name    string
		headers []tar.Header
		mode    fs.FileMode
		want    string
	}{
		{"files", []tar.Header{reg("out/a"), reg("out/b/c"), {Typeflag: tar.TypeSymlink, Name: "out/l", Linkname: "/etc"}, {Typeflag: tar.TypeDir, Name: "out/b/"}}, fs.ModeDir, "[/srv/out/a /srv/out/b/c]"},
		{"itself", []tar.Header{reg("out")}, 0, "[/srv/out]"},
		{"escape", []tar.Header{reg("out/../../etc/passwd")}, fs.ModeDir, "outside"},
		{"neighbour", []tar.Header{reg("outer")}, fs.ModeDir, "outside"},
		{"large", []tar.Header{{Typeflag: tar.TypeReg, Name: "out/a", Size: maxCollect + 1}}, fs.ModeDir, "more than 64 MiB"},
		{"short", []tar.Header{{Typeflag: tar.TypeReg, Name: "out/a", Size: 5}}, fs.ModeDir, "EOF"},
		{"many", many, fs.ModeDir, "more than 16384 files"},
		{"device", nil, fs.ModeDevice, "neither"},
	} {
		f := &fakeFiles{archives: map[string][]tar.Header{"/srv/out": c.headers}, mode: c.mode}
		files, err := collect(t.Context(), f, "x", []string{"/srv/out"})
		got := fmt.Sprint(parentsOrSelf(files))
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != c.want || err != nil && !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	if _, err := collect(t.Context(), &fakeFiles{}, "x", []string{"/nowhere"}); err == nil || !strings.Contains(err.Error(), "did not make it") {
		t.Errorf("missing: %v", err)
	}
}

func parentsOrSelf(files map[string][]byte) []string {
	tree := map[string][]byte{}
	for name := range files {
		tree[name+"/x"] = nil
	}
	var out []string
	for _, p := range parents(tree) {
		if _, ok := files[p]; ok {
			out = append(out, p)
		}
	}
	return out
}

func TestWhoIs(t *testing.T) {
	f := &fakeFiles{archives: map[string][]tar.Header{"/etc/passwd": {reg("passwd")}, "/etc/group": {reg("group")}}, text: map[string]string{
		"passwd": "root:x:0:0::/:\nnode:x:1000:2000::/:\nbad:x:y:z::/:\n", "group": "wheel:x:10:\n",
	}}
	for who, want := range map[string]string{
		"": "0 0", "0": "0 0", "1000": "1000 2000", "1001": "1001 0", "1001:5": "1001 5", "node": "1000 2000", "node:7": "1000 7",
		"node:wheel": "1000 10", "nobody": "does not name it", "node:none": "does not name group none", "bad": "invalid syntax",
	} {
		uid, gid, err := whoIs(t.Context(), f, "x", who)
		got := fmt.Sprint(uid, gid)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", who, got, want)
		}
	}
	f.archives["/etc/passwd"] = []tar.Header{{Typeflag: tar.TypeSymlink, Name: "passwd", Linkname: "x"}}
	if _, _, err := whoIs(t.Context(), f, "x", "node"); err == nil {
		t.Error("read a link")
	}
}

func TestForeignFilesArePacked(t *testing.T) {
	f := &fakeFiles{archives: map[string][]tar.Header{"/home": nil}}
	img := &foreignImage{ref: "r", user: "5:6", dirs: map[string]bool{"/": true}}
	for range 2 {
		b, err := img.pack(t.Context(), f, "x", map[string][]byte{"/home/a/b/c.toml": []byte("x"), "/home/a/node_key.json": nil, "/t": []byte("-----BEGIN PRIVATE KEY-----")})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for tr := tar.NewReader(bytes.NewReader(b)); ; {
			h, err := tr.Next()
			if err != nil {
				break
			}
			got = append(got, fmt.Sprintf("%s:%o:%d:%d", h.Name, h.Mode, h.Uid, h.Gid))
		}
		if want := "home/a/:755:5:6 home/a/b/:755:5:6 home/a/b/c.toml:644:5:6 home/a/node_key.json:600:5:6 t:600:5:6"; strings.Join(got, " ") != want {
			t.Errorf("packed %s", got)
		}
	}
	if f.asked != 2 {
		t.Errorf("asked for %d directories", f.asked)
	}
	if _, err := img.pack(t.Context(), f, "x", map[string][]byte{"/a/../b": nil}); err == nil {
		t.Error("packed an unclean path")
	}
}

func TestBuildContext(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"Dockerfile": "FROM scratch", "a": "1", "skip/x": "2", "keep/y": "3", ".dockerignore": "skip\nDockerfile\n*.tmp\n!keep.tmp\n", "b.tmp": "", "keep.tmp": ""} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, text)
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeContext(&b, dir, "Dockerfile"); err != nil {
		t.Fatal(err)
	}
	var names []string
	for tr := tar.NewReader(bytes.NewReader(b.Bytes())); ; {
		h, err := tr.Next()
		if err != nil {
			break
		}
		names = append(names, h.Name)
	}
	if got := strings.Join(names, " "); got != ".dockerignore Dockerfile a keep/ keep.tmp keep/y link" && got != ".dockerignore Dockerfile a keep/ keep/y keep.tmp link" {
		t.Errorf("packed %s", got)
	}
	t.Setenv("TMPDIR", t.TempDir())
	sum := func() string {
		f, s, err := packContext(filepath.Join(dir, "Dockerfile"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		// A killed build leaves nothing.
		if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
			t.Errorf("left %v, %v", left, err)
		}
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
	if err := writeContext(io.Discard, dir, "Dockerfile"); err == nil {
		t.Error("a bad pattern")
	}
	if _, _, err := packContext("/nowhere/Dockerfile"); err == nil {
		t.Error("packed nothing")
	}
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
	if err := followBuild(strings.NewReader("{"), func(string) {}); err == nil {
		t.Error("a log that breaks off")
	}
}

func TestBinariesThatDoNotRunHere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "script", "#!/bin/sh\n")
	for name, want := range map[string]string{"script": "not a Linux program", "missing": "no such file", "": "not a file"} {
		if _, err := binaryImage(t.Context(), &fakeImages{}, filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
