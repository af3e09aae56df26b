package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
)

// imageRepo is the repository of the images made here; the tag is the content's hash.
const imageRepo = "netsplit/node"

// program is where the executable is in an image made here, and its entry point.
const program = "/netsplit"

// imageEngine is what node images need of the engine.
type imageEngine interface {
	ImageInspect(ctx context.Context, ref string, o ...client.ImageInspectOption) (image.InspectResponse, error)
	ImageImport(ctx context.Context, src image.ImportSource, ref string, o image.ImportOptions) (io.ReadCloser, error)
}

// givenImage returns a local image that the user named. It is never pulled.
func givenImage(ctx context.Context, e imageEngine, ref string) (image.InspectResponse, error) {
	img, err := e.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return img, fmt.Errorf("image %s is not on this machine; docker pull or docker build it first: %w", ref, err)
	}
	if err != nil {
		return img, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	return img, nil
}

// ownImage returns the image that holds the executable at path, making it if the engine does not have it yet.
func ownImage(ctx context.Context, e imageEngine, path string) (image.InspectResponse, error) {
	var none image.InspectResponse
	if goruntime.GOOS != "linux" {
		return none, fmt.Errorf("make a node image on %s: %w", goruntime.GOOS, errNoNodeBinary)
	}
	files, libs, err := contents(path, program)
	if err != nil {
		return none, fmt.Errorf("make a node image: %w", err)
	}
	_, img, err := makeImage(ctx, e, imageSpec{repo: imageRepo, dirs: nodeDirs, files: files, libs: libs})
	return img, err
}

// imageSpec is an image of one program, the first of its files.
type imageSpec struct {
	repo  string // the tag is the content's hash
	dirs  []imageDir
	files []imageFile
	libs  []string // directories of libraries
}

// makeImage returns the reference of an image and the image, made if the engine does not have it yet.
func makeImage(ctx context.Context, e imageEngine, spec imageSpec) (string, image.InspectResponse, error) {
	var none image.InspectResponse
	sum, err := hashFiles(spec.files)
	if err != nil {
		return "", none, fmt.Errorf("make a node image: %w", err)
	}
	ref := spec.repo + ":" + sum[:12]
	img, err := e.ImageInspect(ctx, ref)
	if err == nil && img.Config != nil && img.Config.Labels[labelContent] == sum {
		return ref, img, nil
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return "", none, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	if err := importImage(ctx, e, ref, sum, spec); err != nil {
		return "", none, fmt.Errorf("make node image %s: %w", ref, err)
	}
	if img, err = e.ImageInspect(ctx, ref); err != nil {
		return "", none, fmt.Errorf("inspect image %s: %w", ref, err)
	}
	return ref, img, nil
}

// imageFile is a file of an image: where it comes from and where it goes.
type imageFile struct{ from, to string }

// contents lists the files of the image of an executable that is to be at entry, and the directories of its libraries.
func contents(path, entry string) ([]imageFile, []string, error) {
	files := []imageFile{{path, entry}}
	objects, err := sharedObjects(path)
	if err != nil {
		return nil, nil, err
	}
	var dirs []string
	for _, o := range objects {
		files = append(files, imageFile{o, o})
		if dir := filepath.Dir(o); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return files, dirs, nil
}

// hashFiles returns the hash of an image's content in hex.
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

// importImage sends the files to the engine as an image of one layer. It is several times faster than a build.
func importImage(ctx context.Context, e imageEngine, ref, sum string, spec imageSpec) error {
	entry, err := json.Marshal([]string{spec.files[0].to})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	changes := []string{
		"ENTRYPOINT " + string(entry),
		"LABEL " + labelTool + "=" + tool + " " + labelContent + "=" + sum,
	}
	if len(spec.libs) > 0 {
		changes = append(changes, "ENV LD_LIBRARY_PATH="+strings.Join(spec.libs, ":"))
	}
	pr, pw := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		pw.CloseWithError(writeImage(pw, spec.dirs, spec.files))
	}()
	defer func() {
		pr.CloseWithError(context.Canceled) // the writer ends even if the engine stopped reading
		<-written
	}()
	body, err := e.ImageImport(ctx, image.ImportSource{Source: pr, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
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
