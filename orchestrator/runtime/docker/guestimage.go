package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
)

// foreignCaps are what the start scripts of common images need to hand their directories to a user of their own and to
// go on as that user. All other capabilities are dropped.
var foreignCaps = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"}

// maxAccounts bounds an image's list of users.
const maxAccounts = 1 << 20

// fileSystem is what looking into a container needs of the engine.
type fileSystem interface {
	ContainerStatPath(ctx context.Context, id, path string) (container.PathStat, error)
	CopyFromContainer(ctx context.Context, id, path string) (io.ReadCloser, container.PathStat, error)
}

// foreignImage is an image that is not ours, and what was found out about it in its first container.
type foreignImage struct {
	ref  string
	user string // as whom its program runs, as the image says it

	mu    sync.Mutex
	known bool // uid and gid are
	uid   int
	gid   int
	dirs  map[string]bool // that were looked for, and whether they are there
}

func newForeignImage(ref string, img image.InspectResponse) *foreignImage {
	f := &foreignImage{ref: ref, dirs: map[string]bool{"/": true}}
	if img.Config != nil {
		f.user = img.Config.User
	}
	return f
}

// foreign returns what is known about a foreign image, which the engine must have.
func (r *Runtime) foreign(ctx context.Context, ref string) (*foreignImage, error) {
	if f, ok := r.images.Load(ref); ok {
		return f.(*foreignImage), nil
	}
	img, err := givenImage(ctx, r.cli, ref)
	if err != nil {
		return nil, err
	}
	f, _ := r.images.LoadOrStore(ref, newForeignImage(ref, img))
	return f.(*foreignImage), nil
}

// pack returns files, and the directories that they need and the image lacks, as a tar archive for a container of the
// image that has not run yet. All belong to the user as whom the image's program runs.
func (f *foreignImage) pack(ctx context.Context, e fileSystem, id string, files map[string][]byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.known {
		uid, gid, err := whoIs(ctx, e, id, f.user)
		if err != nil {
			return nil, fmt.Errorf("find user %s of image %s: %w", f.user, f.ref, err)
		}
		f.uid, f.gid, f.known = uid, gid, true
	}
	var missing []string
	for _, dir := range parents(files) {
		there, looked := f.dirs[dir]
		if !looked {
			var err error
			if there, err = f.has(ctx, e, id, dir); err != nil {
				return nil, err
			}
			f.dirs[dir] = there
		}
		if !there {
			missing = append(missing, dir)
		}
	}
	return packTree(files, missing, f.uid, f.gid)
}

// has looks for a directory. Below one that is missing nothing is asked.
func (f *foreignImage) has(ctx context.Context, e fileSystem, id, dir string) (bool, error) {
	if above, looked := f.dirs[path.Dir(dir)]; looked && !above {
		return false, nil
	}
	_, err := e.ContainerStatPath(ctx, id, dir)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s in image %s: %w", dir, f.ref, err)
	}
	return true, nil
}

// whoIs returns the numbers of the user and group that an image names: "", "1000", "1000:1000", "name" or "name:group".
func whoIs(ctx context.Context, e fileSystem, id, who string) (uid, gid int, err error) {
	user, group, hasGroup := strings.Cut(who, ":")
	if user == "" {
		user = "0"
	}
	uid, uerr := strconv.Atoi(user)
	gid, gerr := strconv.Atoi(group)
	if uerr == nil && (hasGroup && gerr == nil || uid == 0 && !hasGroup) {
		return uid, gid, nil
	}
	users, err := readAccounts(ctx, e, id, "/etc/passwd")
	if err != nil {
		return 0, 0, err
	}
	line := findAccount(users, user, 4)
	switch {
	case line != nil:
		if uid, uerr = strconv.Atoi(line[2]); uerr != nil {
			return 0, 0, fmt.Errorf("/etc/passwd: %w", uerr)
		}
		if gid, err = strconv.Atoi(line[3]); !hasGroup && err != nil {
			return 0, 0, fmt.Errorf("/etc/passwd: %w", err)
		}
	case uerr != nil:
		return 0, 0, fmt.Errorf("its /etc/passwd does not name it")
	}
	if !hasGroup {
		return uid, gid, nil
	}
	if gid, gerr = strconv.Atoi(group); gerr == nil {
		return uid, gid, nil
	}
	groups, err := readAccounts(ctx, e, id, "/etc/group")
	if err != nil {
		return 0, 0, err
	}
	if line = findAccount(groups, group, 3); line == nil {
		return 0, 0, fmt.Errorf("its /etc/group does not name group %s", group)
	}
	gid, err = strconv.Atoi(line[2])
	return uid, gid, err
}

// findAccount returns the fields of the line of a name or number, if there is one with that many.
func findAccount(text, who string, fields int) []string {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) >= fields && (f[0] == who || f[2] == who) {
			return f
		}
	}
	return nil
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
