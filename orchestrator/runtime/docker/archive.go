package docker

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// imageDir is a directory of an image.
type imageDir struct {
	name string
	mode int64
}

var (
	// nodeDirs exist in the image of our own node, which writes to /data.
	nodeDirs = []imageDir{{"data/", 0o755}, {"etc/", 0o755}, {"etc/netsplit/", 0o755}, {"run/", 0o755}, {"run/netsplit/", 0o755}, {"tmp/", 0o1777}}
	// chainDirs exist in the image of a foreign program.
	chainDirs = []imageDir{{"tmp/", 0o1777}}
)

// writeImage writes an image's file system as a tar stream.
func writeImage(w io.Writer, dirs []imageDir, files []imageFile) error {
	tw := tar.NewWriter(w)
	for _, d := range dirs {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d.name, Mode: d.mode}); err != nil {
			return err
		}
	}
	for _, f := range files {
		if err := addFile(tw, f); err != nil {
			return fmt.Errorf("pack %s: %w", f.from, err)
		}
	}
	return tw.Close()
}

// addFile adds an executable file with its parent directories left to the engine.
func addFile(tw *tar.Writer, f imageFile) error {
	r, err := os.Open(f.from)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(f.to, "/"), Mode: 0o755, Size: info.Size()}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(tw, r)
	return err
}

// packFiles returns a tar archive of files by absolute path, for the root of a container. They may hold keys, so only
// the node can read them.
func packFiles(files map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
			return nil, fmt.Errorf("pack file %q: the path is not absolute and clean", name)
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name[1:], Mode: 0o600, Size: int64(len(files[name]))}
		if err := tw.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack file %s: %w", name, err)
		}
		if _, err := tw.Write(files[name]); err != nil {
			return nil, fmt.Errorf("pack file %s: %w", name, err)
		}
	}
	if err := tw.Close(); err != nil {
		return nil, fmt.Errorf("pack files: %w", err)
	}
	return b.Bytes(), nil
}
