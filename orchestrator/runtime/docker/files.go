package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/moby/sys/user"
)

// fileSystem is what reading a container's files needs of the engine.
type fileSystem interface {
	ContainerStatPath(ctx context.Context, id, path string) (container.PathStat, error)
	CopyFromContainer(ctx context.Context, id, path string) (io.ReadCloser, container.PathStat, error)
}

// archive describes a tar archive of files for the root of a container.
type archive struct {
	files    map[string][]byte // by absolute path
	dirs     []string          // made before them
	uid, gid int               // the owner of all
	// mode returns the permissions of a file.
	mode func(name string, content []byte) int64
}

// nodeFiles are files for netsplit's own node. They may hold keys, so only the node can read them.
func nodeFiles(files map[string][]byte) archive {
	return archive{files: files, mode: func(string, []byte) int64 { return 0o600 }}
}

// pack returns the archive's bytes.
func (a archive) pack() ([]byte, error) {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, dir := range a.dirs {
		h := &tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dir, "/") + "/", Mode: 0o755, Uid: a.uid, Gid: a.gid}
		if err := tw.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack directory %s: %w", dir, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.files)) {
		content := a.files[name]
		if err := checkPath(name); err != nil {
			return nil, fmt.Errorf("pack file %q: %w", name, err)
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name[1:], Mode: a.mode(name, content), Size: int64(len(content)), Uid: a.uid, Gid: a.gid}
		err := tw.WriteHeader(h)
		if err == nil {
			_, err = tw.Write(content)
		}
		if err != nil {
			return nil, fmt.Errorf("pack file %s: %w", name, err)
		}
	}
	if err := tw.Close(); err != nil {
		return nil, fmt.Errorf("pack files: %w", err)
	}
	return b.Bytes(), nil
}

// checkPath refuses paths that are not absolute and clean.
func checkPath(name string) error {
	if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
		return errors.New("the path is not absolute and clean")
	}
	return nil
}

// secretNames are parts of the names of files that hold secrets.
var secretNames = []string{"key", "secret", "passw", "cookie", "token", "jwt", "mnemonic", "seed"}

// fileMode is 0600 for what looks like a secret, by its name or its content (many programs refuse to read a key that
// others could read), and 0644 for everything else, so that a program which changes its user can read it.
func fileMode(name string, content []byte) int64 {
	base := strings.ToLower(path.Base(name))
	for _, s := range secretNames {
		if strings.Contains(base, s) {
			return 0o600
		}
	}
	for _, s := range []string{"PRIVATE KEY", "priv_key", "private_key"} {
		if bytes.Contains(content, []byte(s)) {
			return 0o600
		}
	}
	return 0o644
}

// parents returns every directory above the files, parents first, without the root.
func parents(files map[string][]byte) []string {
	seen := map[string]bool{}
	for name := range files {
		for dir := path.Dir(name); dir != "/" && dir != "." && !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// externalImage is an image other than netsplit's own, and what was found out about it in its first container.
type externalImage struct {
	ref  string
	user string // as which its program runs, in the image's words

	mu    sync.Mutex
	known bool // whether uid and gid are set
	uid   int
	gid   int
	dirs  map[string]bool // directories that were looked up, and whether the image has them
}

func newExternalImage(ref string, img image.InspectResponse) *externalImage {
	f := &externalImage{ref: ref, dirs: map[string]bool{"/": true}}
	if img.Config != nil {
		f.user = img.Config.User
	}
	return f
}

// pack returns files, and the directories that they need and the image lacks, as a tar archive for a container of the
// image that has not run yet. All belong to the user as which the image's program runs.
func (f *externalImage) pack(ctx context.Context, e fileSystem, id string, files map[string][]byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.known {
		uid, gid, err := lookUpUser(ctx, e, id, f.user)
		if err != nil {
			return nil, fmt.Errorf("find user %s of image %s: %w", f.user, f.ref, err)
		}
		f.uid, f.gid, f.known = uid, gid, true
	}
	a := archive{files: files, uid: f.uid, gid: f.gid, mode: fileMode}
	for _, dir := range parents(files) {
		exists, known := f.dirs[dir]
		if !known {
			var err error
			if exists, err = f.has(ctx, e, id, dir); err != nil {
				return nil, err
			}
			f.dirs[dir] = exists
		}
		if !exists {
			a.dirs = append(a.dirs, dir)
		}
	}
	return a.pack()
}

// has reports whether the image has a directory. Below one that is missing the engine is not queried.
func (f *externalImage) has(ctx context.Context, e fileSystem, id, dir string) (bool, error) {
	if above, known := f.dirs[path.Dir(dir)]; known && !above {
		return false, nil
	}
	_, err := e.ContainerStatPath(ctx, id, dir)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find %s in image %s: %w", dir, f.ref, err)
	}
	return true, nil
}

// maxAccounts bounds an image's list of users, in bytes.
const maxAccounts = 1 << 20

// lookUpUser returns the numbers of the user and group that an image names, as the engine finds them: "", "1000",
// "1000:1000", "name" or "name:group".
func lookUpUser(ctx context.Context, e fileSystem, id, name string) (uid, gid int, err error) {
	if name == "" {
		return 0, 0, nil
	}
	users, err := readAccounts(ctx, e, id, "/etc/passwd")
	if err != nil {
		return 0, 0, err
	}
	groups, err := readAccounts(ctx, e, id, "/etc/group")
	if err != nil {
		return 0, 0, err
	}
	u, err := user.GetExecUser(name, nil, strings.NewReader(users), strings.NewReader(groups))
	if err != nil {
		return 0, 0, err
	}
	return u.Uid, u.Gid, nil
}

// readAccounts reads a small text file of a container; a missing one is empty.
func readAccounts(ctx context.Context, e fileSystem, id, name string) (string, error) {
	body, _, err := e.CopyFromContainer(ctx, id, name)
	if errdefs.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	defer body.Close()
	tr := tar.NewReader(body)
	h, err := tr.Next()
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	if h.Typeflag != tar.TypeReg || h.Size > maxAccounts {
		return "", errors.New(name + " is not a small regular file")
	}
	b, err := io.ReadAll(io.LimitReader(tr, maxAccounts))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	return string(b), nil
}

const (
	// maxCollect bounds the bytes that are brought back from a container.
	maxCollect = 64 << 20
	// maxCollectFiles bounds their files.
	maxCollectFiles = 16384
)

// collect brings back the regular files at or below paths of a container. Links, devices and sockets are left out.
func collect(ctx context.Context, e fileSystem, id string, paths []string) (map[string][]byte, error) {
	c := collection{files: map[string][]byte{}, left: maxCollect}
	for _, p := range paths {
		if err := c.take(ctx, e, id, p); err != nil {
			return nil, fmt.Errorf("collect %s: %w", p, err)
		}
	}
	return c.files, nil
}

// collection is what was brought back so far.
type collection struct {
	files map[string][]byte
	left  int64 // bytes that still fit
}

func (c *collection) take(ctx context.Context, e fileSystem, id, p string) error {
	body, stat, err := e.CopyFromContainer(ctx, id, p)
	if errdefs.IsNotFound(err) {
		return errors.New("the command did not make it")
	}
	if err != nil {
		return err
	}
	defer body.Close()
	if !stat.Mode.IsDir() && !stat.Mode.IsRegular() {
		return fmt.Errorf("it is neither a file nor a directory, but %v", stat.Mode.Type())
	}
	for tr := tar.NewReader(body); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := c.add(p, h, tr); err != nil {
			return err
		}
	}
}

// add takes one file. Names in the archive begin with the last element of the path that was requested.
func (c *collection) add(p string, h *tar.Header, r io.Reader) error {
	name := path.Join(path.Dir(p), h.Name)
	if name != p && !strings.HasPrefix(name, p+"/") {
		return fmt.Errorf("the archive names %q, which is outside", h.Name)
	}
	if h.Size > c.left {
		return fmt.Errorf("it has more than %d MiB", maxCollect>>20)
	}
	if len(c.files) == maxCollectFiles {
		return fmt.Errorf("it has more than %d files", maxCollectFiles)
	}
	b := make([]byte, h.Size)
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	c.left -= h.Size
	c.files[name] = b
	return nil
}
