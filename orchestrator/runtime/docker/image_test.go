package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
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

func TestOwnImage_MadeOnce(t *testing.T) {
	exe := must.Get(os.Executable())(t)
	info := must.Get(os.Stat(exe))(t)
	f := &fakeImages{}
	img := must.Get(ownImage(t.Context(), f, exe))(t)
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

func TestOwnImage_Errors(t *testing.T) {
	exe := must.Get(os.Executable())(t)
	must.Fail(t, "disk full")(ownImage(t.Context(), &fakeImages{err: errors.New("disk full")}, exe))
	late := &fakeImages{answer: `{"errorDetail":{"message":"no space left"},"error":"no space left"}`}
	must.Fail(t, "no space left")(ownImage(t.Context(), late, exe))
	script := filepath.Join(t.TempDir(), "script")
	must.Do(t, os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755))
	must.Fail(t, errNoNodeBinary)(ownImage(t.Context(), &fakeImages{}, script))
	b := must.Get(os.ReadFile(exe))(t)
	sparc := filepath.Join(t.TempDir(), "sparc")
	b[18], b[19] = byte(elf.EM_SPARCV9), 0 // e_machine
	must.Do(t, os.WriteFile(sparc, b, 0o755))
	if _, err := ownImage(t.Context(), &fakeImages{}, sparc); !errors.Is(err, errNoNodeBinary) || !strings.Contains(err.Error(), "--image") {
		t.Errorf("another architecture: %v", err)
	}
}

func TestSharedObjects(t *testing.T) {
	sh, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	got := must.Get(sharedObjects(sh))(t)
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

func TestResolver_MissingLibrary(t *testing.T) {
	r := &resolver{class: elf.ELFCLASS64, machine: elf.EM_X86_64}
	dir := t.TempDir()
	must.Do(t, os.WriteFile(filepath.Join(dir, "libx.so"), []byte("INPUT(libx.so.1)"), 0o644))
	err := r.add("/bin/x", "libx.so", []string{dir})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "libx.so of /bin/x") {
		t.Errorf("got %v", err)
	}
}

func TestConfiguredDirs(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		must.Do(t, os.MkdirAll(filepath.Dir(p), 0o755))
		must.Do(t, os.WriteFile(p, []byte(text), 0o644))
		return p
	}
	write("conf.d/a.conf", "# comment\n/opt/a\n")
	write("conf.d/b.conf", "/opt/b # why\nrelative\n")
	main := write("main.conf", "include conf.d/*.conf\n/opt/c\ninclude main.conf\n")
	if got := configuredDirs(main); !slices.Equal(got, []string{"/opt/a", "/opt/b", "/opt/c"}) {
		t.Errorf("got %v", got)
	}
	must.Equal(t, 0, len(configuredDirs(filepath.Join(dir, "none"))))
}

func TestBinaryImage_Errors(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "script", "#!/bin/sh\n")
	for name, want := range map[string]string{"script": "not a Linux program", "missing": "no such file", "": "not a file"} {
		must.Fail(t, want)(binaryImage(t.Context(), &fakeImages{}, filepath.Join(dir, name)))
	}
}

// A program of this host that needs a loader and libraries runs in an image that has nothing else.
func TestImage_DynamicBinary(t *testing.T) {
	t.Parallel()
	r := open(t)
	cat := must.Get(exec.LookPath("cat"))(t)
	libs, err := sharedObjects(cat)
	if err != nil || len(libs) < 2 {
		t.Skipf("%s is no program with libraries here: %v, %v", cat, libs, err)
	}
	b := must.Get(os.ReadFile(cat))(t)
	file := filepath.Join(t.TempDir(), "reader") // its name and place are the user's
	must.Do(t, os.WriteFile(file, b, 0o700))
	ref := must.Get(r.BuildImage(t.Context(), runtime.ImageSource{Binary: file}, nil))(t)
	res, err := r.RunCommand(t.Context(), runtime.Command{Image: ref, Args: []string{"/in"}, Files: map[string][]byte{"/in": []byte("content")}})
	if err != nil || string(res.Stdout) != "content" {
		t.Errorf("it printed %q, %v", res.Stdout, err)
	}
	must.Fail(t, "No such file")(r.RunCommand(t.Context(), runtime.Command{Image: ref, Args: []string{"/etc/passwd"}}))
}

// imported makes an image as docker import does, from the helper alone, with changes or none.
func imported(t *testing.T, r *Runtime, name string, changes ...string) string {
	t.Helper()
	b := must.Get(os.ReadFile(helper(t)))(t)
	files, err := archive{files: map[string][]byte{"/bin/helper": b}, mode: func(string, []byte) int64 { return 0o755 }}.pack()
	must.Do(t, err)
	ref := "netsplit-test/" + name + ":" + strings.TrimPrefix(r.plan.ID, "test-")
	body, err := r.cli.ImageImport(t.Context(), image.ImportSource{Source: bytes.NewReader(files), SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	must.Do(t, err)
	defer body.Close()
	must.Do(t, jsonmessage.DisplayJSONMessagesStream(body, io.Discard, 0, false, nil))
	removeImageAfter(t, r, ref)
	return ref
}

// What docker import made runs, with an entry point and, where it was given none, with the program as the first argument.
func TestImage_Imported(t *testing.T) {
	t.Parallel()
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
		must.Do(t, r.Launch(t.Context(), []runtime.Launch{node}, nil))
		if got := mustGet(t, r, hosts[i], "/file?path=/home/key"); got != "secret" {
			t.Errorf("%s: its file holds %q", ref, got)
		}
		if got := mustGet(t, r, hosts[i], "/env?name=WHO"); got != c.who {
			t.Errorf("%s: WHO=%s", ref, got)
		}
		do(t, r, faults.Stop, hosts[i].ID)
	}
}

func TestCheckSource(t *testing.T) {
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
		if err := checkSource(c.source); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.source, err)
		}
	}
}
