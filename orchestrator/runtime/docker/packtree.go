package docker

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

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

// packTree returns a tar archive of directories, and of files by absolute path, of one owner, for the root of a container.
func packTree(files map[string][]byte, dirs []string, uid, gid int) ([]byte, error) {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, dir := range dirs {
		h := &tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dir, "/") + "/", Mode: 0o755, Uid: uid, Gid: gid}
		if err := tw.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack directory %s: %w", dir, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := checkPath(name); err != nil {
			return nil, fmt.Errorf("pack file %q: %w", name, err)
		}
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: name[1:], Mode: fileMode(name, files[name]), Size: int64(len(files[name])), Uid: uid, Gid: gid,
		}
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

// checkPath refuses paths that are not absolute and clean.
func checkPath(name string) error {
	if !path.IsAbs(name) || path.Clean(name) != name || name == "/" {
		return fmt.Errorf("the path is not absolute and clean")
	}
	return nil
}

// secretNames are parts of the names of files that hold secrets.
var secretNames = []string{"key", "secret", "passw", "cookie", "token", "jwt", "mnemonic", "seed"}

// fileMode is 0600 for what looks like a secret, by its name or because it says so itself (many programs refuse to read a
// key that others could read), and 0644 for everything else, so that a program which changes its user can read it.
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
