package docker

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// ignoreFile says what does not belong to a build's context.
const ignoreFile = ".dockerignore"

// writeContext writes a directory as a tar stream that depends on names, contents and executable bits alone, without
// what .dockerignore leaves out.
func writeContext(w io.Writer, dir, dockerfile string) error {
	ignored, err := readIgnore(filepath.Join(dir, ignoreFile))
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	// WalkDir goes in lexical order.
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil || name == "." {
			return err
		}
		out, err := ignored.MatchesOrParentMatches(name)
		if err != nil {
			return fmt.Errorf("%s: %w", ignoreFile, err)
		}
		// The builder reads these two, and removes them itself if they are not to be seen.
		if out && name != dockerfile && name != ignoreFile {
			if d.IsDir() && !ignored.Exclusions() {
				return fs.SkipDir
			}
			return nil
		}
		return addContext(tw, file, filepath.ToSlash(name), d)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

// readIgnore reads a .dockerignore; a missing one leaves nothing out.
func readIgnore(file string) (*patternmatcher.PatternMatcher, error) {
	var patterns []string
	f, err := os.Open(file)
	switch {
	case err == nil:
		defer f.Close()
		if patterns, err = ignorefile.ReadAll(f); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return m, nil
}

// addContext adds one entry of a directory. Sockets and devices are left out.
func addContext(tw *tar.Writer, file, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()&0o111 | 0o644)}
	switch info.Mode().Type() {
	case fs.ModeDir:
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", 0o755
		return tw.WriteHeader(h)
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(file); err != nil {
			return err
		}
		return tw.WriteHeader(h)
	case 0:
		h.Typeflag, h.Size = tar.TypeReg, info.Size()
		if err := tw.WriteHeader(h); err != nil {
			return err
		}
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(tw, f)
		return err
	default:
		return nil
	}
}
