package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/netsplit/netsplit/ci/must"
)

// fakeFiles is a container's file system: archives by path.
type fakeFiles struct {
	archives map[string][]tar.Header
	text     map[string]string // of regular files in archives, by header name
	mode     fs.FileMode
	stats    int // requests for paths
}

func (f *fakeFiles) ContainerStatPath(_ context.Context, _, path string) (container.PathStat, error) {
	f.stats++
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
	must.Fail(t, "did not make it")(collect(t.Context(), &fakeFiles{}, "x", []string{"/nowhere"}))
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

func TestLookUpUser(t *testing.T) {
	f := &fakeFiles{archives: map[string][]tar.Header{"/etc/passwd": {reg("passwd")}, "/etc/group": {reg("group")}}, text: map[string]string{
		"passwd": "root:x:0:0::/:\nnode:x:1000:2000::/:\nbad:x:y:z::/:\n", "group": "wheel:x:10:\n",
	}}
	for who, want := range map[string]string{
		"": "0 0", "0": "0 0", "1000": "1000 2000", "1001": "1001 0", "1001:5": "1001 5", "node": "1000 2000", "node:7": "1000 7",
		"node:wheel": "1000 10", "nobody": "unable to find user nobody", "node:none": "unable to find group none",
	} {
		uid, gid, err := lookUpUser(t.Context(), f, "x", who)
		got := fmt.Sprint(uid, gid)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", who, got, want)
		}
	}
	f.archives["/etc/passwd"] = []tar.Header{{Typeflag: tar.TypeSymlink, Name: "passwd", Linkname: "x"}}
	must.Fail(t, "")(lookUpUser(t.Context(), f, "x", "node"))
}

func TestExternalImage_Pack(t *testing.T) {
	f := &fakeFiles{archives: map[string][]tar.Header{"/home": nil}}
	img := &externalImage{ref: "r", user: "5:6", dirs: map[string]bool{"/": true}}
	for range 2 {
		b, err := img.pack(t.Context(), f, "x", map[string][]byte{"/home/a/b/c.toml": []byte("x"), "/home/a/node_key.json": nil, "/t": []byte("-----BEGIN PRIVATE KEY-----")})
		must.Do(t, err)
		got := listing(t, b, func(h *tar.Header, _ []byte) string {
			return fmt.Sprintf("%s:%o:%d:%d", h.Name, h.Mode, h.Uid, h.Gid)
		})
		if want := "home/a/:755:5:6 home/a/b/:755:5:6 home/a/b/c.toml:644:5:6 home/a/node_key.json:600:5:6 t:600:5:6"; got != want {
			t.Errorf("packed %s", got)
		}
	}
	if f.stats != 2 {
		t.Errorf("%d directories were looked up", f.stats)
	}
	must.Fail(t, "")(img.pack(t.Context(), f, "x", map[string][]byte{"/a/../b": nil}))
}

func TestNodeFiles(t *testing.T) {
	b := must.Get(nodeFiles(map[string][]byte{"/etc/b": []byte("bb"), "/a": nil}).pack())(t)
	got := listing(t, b, func(h *tar.Header, text []byte) string { return fmt.Sprintf("%s=%s:%o", h.Name, text, h.Mode) })
	if got != "a=:600 etc/b=bb:600" {
		t.Errorf("got %v", got)
	}
	for _, bad := range []string{"a", "/a/../b", "/", "/a/"} {
		if _, err := nodeFiles(map[string][]byte{bad: nil}).pack(); err == nil {
			t.Errorf("path %q was accepted", bad)
		}
	}
}
