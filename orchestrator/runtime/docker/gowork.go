package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	// workPrefix begins the names of the directories in which programs are built.
	workPrefix = ".build-"
	// goTmp is the directory, in one of those, for the go command's own temporary files.
	goTmp = "tmp"
	// ownedFile is locked by the process whose directory it is in.
	ownedFile = "owned"
)

// workDir makes a directory to build in, which done removes, and first removes those of builds that were killed.
func (b goBuilder) workDir(ctx context.Context) (dir string, done func(), err error) {
	// Under this lock no directory is without an owner but those that were left.
	unlock, err := lockFile(ctx, filepath.Join(b.cache, "builds.lock"), func() {})
	if err != nil {
		return "", nil, err
	}
	defer unlock()
	b.sweep()
	if dir, err = os.MkdirTemp(b.cache, workPrefix); err != nil {
		return "", nil, fmt.Errorf("make a build directory: %w", err)
	}
	disown, err := tryLock(filepath.Join(dir, ownedFile))
	if err == nil {
		if err = os.Mkdir(filepath.Join(dir, goTmp), 0o700); err != nil {
			disown()
		}
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("make a build directory: %w", err), os.RemoveAll(dir))
	}
	return dir, func() {
		_ = os.RemoveAll(dir) // what stays is removed by the next build
		disown()
	}, nil
}

// sweep removes the directories of builds that were killed, and tells of those that it cannot remove.
func (b goBuilder) sweep() {
	entries, err := os.ReadDir(b.cache)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), workPrefix) {
			err = errors.Join(err, removeLeft(filepath.Join(b.cache, e.Name())))
		}
	}
	if err != nil {
		b.progress(fmt.Sprintf("what killed builds left is still there: %v", err))
	}
}

// removeLeft removes the directory of a build, unless there is a process that builds in it.
func removeLeft(dir string) error {
	disown, err := tryLock(filepath.Join(dir, ownedFile))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, errLocked) {
		return nil // it is being removed, or built in
	}
	if err != nil {
		return err
	}
	defer disown()
	return os.RemoveAll(dir)
}
