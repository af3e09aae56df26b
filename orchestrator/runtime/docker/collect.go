package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/containerd/errdefs"
)

const (
	// maxCollect bounds the bytes that a command may hand back.
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

// add takes one file. Names in the archive begin with the last element of the path that was asked for.
func (c *collection) add(p string, h *tar.Header, r io.Reader) error {
	name := path.Join(path.Dir(p), h.Name)
	if name != p && !isBelow(name, p) {
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

// isBelow reports whether a clean path is below a directory.
func isBelow(name, dir string) bool {
	return len(name) > len(dir)+1 && name[:len(dir)] == dir && name[len(dir)] == '/'
}
