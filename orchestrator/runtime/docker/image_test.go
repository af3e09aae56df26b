package docker

import (
	"archive/tar"
	"context"
	"debug/elf"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
)

// fakeImages keeps the images that were imported, by reference.
type fakeImages struct {
	images  map[string]image.InspectResponse
	files   map[string]int64 // of the last import
	modes   map[string]int64
	imports int
	answer  string
	err     error
}

func (f *fakeImages) ImageInspect(_ context.Context, ref string, _ ...client.ImageInspectOption) (image.InspectResponse, error) {
	if img, ok := f.images[ref]; ok {
		return img, nil
	}
	return image.InspectResponse{}, errdefs.ErrNotFound
}

func (f *fakeImages) ImageImport(_ context.Context, src image.ImportSource, ref string, o image.ImportOptions) (io.ReadCloser, error) {
	f.imports++
	if f.err != nil {
		return nil, f.err
	}
	f.files, f.modes = map[string]int64{}, map[string]int64{}
	tr := tar.NewReader(src.Source)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		f.files[h.Name], f.modes[h.Name] = h.Size, h.Mode
	}
	labels := map[string]string{}
	for _, c := range o.Changes {
		if text, ok := strings.CutPrefix(c, "LABEL "); ok {
			for pair := range strings.FieldsSeq(text) {
				k, v, _ := strings.Cut(pair, "=")
				labels[k] = v
			}
		}
	}
	img := image.InspectResponse{ID: "sha256:" + ref, Config: &dockerspec.DockerOCIImageConfig{}}
	img.Config.Labels = labels
	if f.images == nil {
		f.images = map[string]image.InspectResponse{}
	}
	f.images[ref] = img
	return io.NopCloser(strings.NewReader(f.answer)), nil
}

func TestOwnImageIsMadeOnce(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(exe)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeImages{}
	img, err := ownImage(t.Context(), f, exe)
	if err != nil {
		t.Fatal(err)
	}
	ref := strings.TrimPrefix(img.ID, "sha256:")
	if !strings.HasPrefix(ref, "netsplit/node:") || len(ref) != len("netsplit/node:")+12 || !strings.HasPrefix(img.Config.Labels[labelContent], ref[14:]) {
		t.Errorf("image %s with labels %v", ref, img.Config.Labels)
	}
	if f.files["netsplit"] != info.Size() || f.modes["netsplit"] != 0o755 || f.modes["tmp/"] != 0o1777 {
		t.Errorf("files %v, modes %v", f.files, f.modes)
	}
	if _, ok := f.files["data/"]; !ok {
		t.Error("no /data")
	}
	if _, err := ownImage(t.Context(), f, exe); err != nil || f.imports != 1 {
		t.Errorf("%d imports, %v", f.imports, err)
	}
	// An image that only has the name is not trusted.
	f.images[ref] = image.InspectResponse{Config: &dockerspec.DockerOCIImageConfig{}}
	if _, err := ownImage(t.Context(), f, exe); err != nil || f.imports != 2 {
		t.Errorf("%d imports, %v", f.imports, err)
	}
}

func TestOwnImageFails(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ownImage(t.Context(), &fakeImages{err: errors.New("disk full")}, exe); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
	late := &fakeImages{answer: `{"errorDetail":{"message":"no space left"},"error":"no space left"}`}
	if _, err := ownImage(t.Context(), late, exe); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ownImage(t.Context(), &fakeImages{}, script); !errors.Is(err, errNoNodeBinary) {
		t.Errorf("a script: %v", err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign")
	b[18], b[19] = byte(elf.EM_SPARCV9), 0 // e_machine
	if err := os.WriteFile(foreign, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ownImage(t.Context(), &fakeImages{}, foreign); !errors.Is(err, errNoNodeBinary) || !strings.Contains(err.Error(), "--image") {
		t.Errorf("another architecture: %v", err)
	}
}

func TestSharedObjectsOfADynamicProgram(t *testing.T) {
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	got, err := sharedObjects(sh)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		t.Skipf("%s is static here", sh)
	}
	var loader, libc bool
	for _, p := range got {
		loader = loader || strings.Contains(filepath.Base(p), "ld-")
		libc = libc || strings.Contains(filepath.Base(p), "libc.") || strings.Contains(filepath.Base(p), "musl")
	}
	if !loader || !libc || !slices.IsSorted(got) {
		t.Errorf("got %v", got)
	}
}

func TestMissingLibraryIsNamed(t *testing.T) {
	r := &resolver{class: elf.ELFCLASS64, machine: elf.EM_X86_64}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "libx.so"), []byte("INPUT(libx.so.1)"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := r.add("/bin/x", "libx.so", []string{dir})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "libx.so of /bin/x") {
		t.Errorf("got %v", err)
	}
}

func TestConfiguredDirs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	write("conf.d/a.conf", "# comment\n/opt/a\n")
	write("conf.d/b.conf", "/opt/b # why\nrelative\n")
	main := write("main.conf", "include conf.d/*.conf\n/opt/c\ninclude main.conf\n")
	if got := configuredDirs(main); !slices.Equal(got, []string{"/opt/a", "/opt/b", "/opt/c"}) {
		t.Errorf("got %v", got)
	}
	if got := configuredDirs(filepath.Join(dir, "none")); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestPackFiles(t *testing.T) {
	b, err := packFiles(map[string][]byte{"/etc/b": []byte("bb"), "/a": nil})
	if err != nil {
		t.Fatal(err)
	}
	tr := tar.NewReader(strings.NewReader(string(b)))
	var got []string
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(tr)
		got = append(got, h.Name+"="+string(text))
		if h.Mode != 0o600 {
			t.Errorf("mode of %s is %o", h.Name, h.Mode)
		}
	}
	if !slices.Equal(got, []string{"a=", "etc/b=bb"}) {
		t.Errorf("got %v", got)
	}
	for _, bad := range []string{"a", "/a/../b", "/", "/a/"} {
		if _, err := packFiles(map[string][]byte{bad: nil}); err == nil {
			t.Errorf("path %q was accepted", bad)
		}
	}
}
