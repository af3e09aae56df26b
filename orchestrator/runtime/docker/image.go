package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
)

// Repositories of the images made here; a tag is the beginning of a hash of what the image was made from.
const (
	nodeRepo  = "netsplit/node"
	chainRepo = "netsplit/chain" // programs that chain files describe
)

// program is where the executable is in an image of netsplit itself, and its entry point.
const program = "/netsplit"

// imageInspector finds images.
type imageInspector interface {
	ImageInspect(ctx context.Context, ref string, o ...client.ImageInspectOption) (image.InspectResponse, error)
}

// imageEngine is what making images needs of the engine.
type imageEngine interface {
	imageInspector
	ImageImport(ctx context.Context, src image.ImportSource, ref string, o image.ImportOptions) (io.ReadCloser, error)
}

// localImage returns an image that the user named. It is never pulled.
func localImage(ctx context.Context, e imageInspector, ref string) (image.InspectResponse, error) {
	img, err := e.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return img, fmt.Errorf("image %s is not on this machine; docker pull or docker build it first: %w", ref, err)
	}
	if err != nil {
		return img, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	return img, nil
}

// netsplitImage returns the image of nodes and agent: the given one, or one made from the running executable.
func netsplitImage(ctx context.Context, e imageEngine, given string) (image.InspectResponse, error) {
	if given != "" {
		return localImage(ctx, e, given)
	}
	file, err := os.Executable()
	if err != nil {
		return image.InspectResponse{}, fmt.Errorf("find the running executable: %w", err)
	}
	return ownImage(ctx, e, file)
}

// ownImage returns the image that holds the executable at path, making it if the engine does not have it yet.
func ownImage(ctx context.Context, e imageEngine, path string) (image.InspectResponse, error) {
	var none image.InspectResponse
	if goruntime.GOOS != "linux" {
		return none, fmt.Errorf("make a node image on %s: %w", goruntime.GOOS, errNoNodeBinary)
	}
	spec := imageSpec{repo: nodeRepo, dirs: nodeDirs}
	if err := spec.addProgram(path, program); err != nil {
		return none, fmt.Errorf("make a node image: %w", err)
	}
	return spec.findOrMake(ctx, e)
}

// binaryImage returns the image FROM scratch that holds an executable of this host, with its loader and libraries.
func binaryImage(ctx context.Context, e imageEngine, file string) (string, error) {
	if err := checkBinary(file); err != nil {
		return "", err
	}
	spec := imageSpec{repo: chainRepo, dirs: chainDirs}
	if err := spec.addProgram(file, path.Join("/", filepath.Base(file))); err != nil {
		return "", err
	}
	_, err := spec.findOrMake(ctx, e)
	return spec.ref(), err
}

// checkBinary fails unless the file is a program that containers of this host can run.
func checkBinary(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", file)
	}
	f, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("%s is not a Linux program (a script needs an image with its interpreter: dockerfile or ref): %w", file, err)
	}
	defer f.Close()
	if want := machines[goruntime.GOARCH]; f.Machine != want {
		return fmt.Errorf("%s is built for %v, containers of this host need %v", file, f.Machine, want)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("%s is an ELF file, but not a program", file)
	}
	return nil
}

// imageSpec is an image of one layer with one program, the first of its files.
type imageSpec struct {
	repo  string
	dirs  []imageDir
	files []imageFile
	libs  []string // directories of libraries
	// hash is of all that the image is made from, in hex.
	hash string
}

// imageDir is a directory of an image.
type imageDir struct {
	name string
	mode int64
}

// imageFile is a file of an image: where it comes from and where it goes.
type imageFile struct{ from, to string }

var (
	// nodeDirs exist in the image of our own node, which writes to /data.
	nodeDirs = []imageDir{{"data/", 0o755}, {"etc/", 0o755}, {"etc/netsplit/", 0o755}, {"run/", 0o755}, {"run/netsplit/", 0o755}, {"tmp/", 0o1777}}
	// chainDirs exist in the image of a program of a chain file.
	chainDirs = []imageDir{{"tmp/", 0o1777}}
)

// addProgram adds an executable that is to be at entry, with its loader and libraries. Unless the image has a hash
// already, it becomes that of the files.
func (s *imageSpec) addProgram(file, entry string) error {
	objects, err := sharedObjects(file)
	if err != nil {
		return err
	}
	s.files = []imageFile{{file, entry}}
	for _, o := range objects {
		s.files = append(s.files, imageFile{o, o})
		if dir := filepath.Dir(o); !slices.Contains(s.libs, dir) {
			s.libs = append(s.libs, dir)
		}
	}
	if s.hash == "" {
		s.hash, err = hashFiles(s.files)
	}
	return err
}

func (s *imageSpec) ref() string { return s.repo + ":" + s.hash[:12] }

// findImage returns the image of a reference if the engine has it and it was made from what has that hash.
func findImage(ctx context.Context, e imageInspector, ref, hash string) (image.InspectResponse, bool, error) {
	img, err := e.ImageInspect(ctx, ref)
	if err != nil && !errdefs.IsNotFound(err) {
		return img, false, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	return img, err == nil && img.Config != nil && img.Config.Labels[labelContent] == hash, nil
}

// make imports the image and returns it.
func (s *imageSpec) make(ctx context.Context, e imageEngine) (image.InspectResponse, error) {
	if err := s.load(ctx, e); err != nil {
		return image.InspectResponse{}, fmt.Errorf("make image %s: %w", s.ref(), err)
	}
	return localImage(ctx, e, s.ref())
}

func (s *imageSpec) findOrMake(ctx context.Context, e imageEngine) (image.InspectResponse, error) {
	img, found, err := findImage(ctx, e, s.ref(), s.hash)
	if found || err != nil {
		return img, err
	}
	return s.make(ctx, e)
}

// load sends the files to the engine as an image of one layer. It is several times faster than a build.
func (s *imageSpec) load(ctx context.Context, e imageEngine) error {
	entry, err := json.Marshal([]string{s.files[0].to})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	changes := []string{
		"ENTRYPOINT " + string(entry),
		"LABEL " + labelTool + "=" + tool + " " + labelContent + "=" + s.hash,
	}
	if len(s.libs) > 0 {
		changes = append(changes, "ENV LD_LIBRARY_PATH="+strings.Join(s.libs, ":"))
	}
	pr, pw := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		pw.CloseWithError(s.write(pw))
	}()
	defer func() {
		pr.CloseWithError(context.Canceled) // the writer ends even if the engine stopped reading
		<-written
	}()
	body, err := e.ImageImport(ctx, image.ImportSource{Source: pr, SourceName: "-"}, s.ref(), image.ImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer body.Close()
	// The engine reports failures in the stream of its answer.
	if err := jsonmessage.DisplayJSONMessagesStream(body, io.Discard, 0, false, nil); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

// write writes the image's file system as a tar stream.
func (s *imageSpec) write(w io.Writer) error {
	tw := tar.NewWriter(w)
	for _, d := range s.dirs {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d.name, Mode: d.mode}); err != nil {
			return err
		}
	}
	for _, f := range s.files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(f.to, "/"), Mode: 0o755}
		if err := addFile(tw, h, f.from); err != nil {
			return fmt.Errorf("pack %s: %w", f.from, err)
		}
	}
	return tw.Close()
}

// addFile adds a file of this host to an archive.
func addFile(tw *tar.Writer, h *tar.Header, file string) error {
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	h.Size = info.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(tw, r)
	return err
}

// hashFiles returns the hash of an image's files in hex.
func hashFiles(files []imageFile) (string, error) {
	h := sha256.New()
	for _, f := range files {
		r, err := os.Open(f.from)
		if err != nil {
			return "", err
		}
		n, err := io.Copy(h, r)
		r.Close()
		if err != nil {
			return "", fmt.Errorf("read %s: %w", f.from, err)
		}
		fmt.Fprintf(h, "\x00%s\x00%d\x00", f.to, n)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
