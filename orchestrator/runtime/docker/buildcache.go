package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// builtFile is the note beside a built program.
const builtFile = "built.json"

// lockPoll is how often a lock that another process holds is tried again.
const lockPoll = 100 * time.Millisecond

// built says what a program in the cache was made from, and what it is.
type built struct {
	Program string `json:"program"` // with its version
	LDFlags string `json:"ldflags,omitempty"`
	Flags   string `json:"goflags"`       // the user's, as far as they were kept
	Env     string `json:"env,omitempty"` // other variables that change the result
	Go      string `json:"go"`
	Arch    string `json:"arch"`
	File    string `json:"file"`
	SHA256  string `json:"sha256"`
}

// keep returns the program of a key from the cache, made and put there if it is not, or is damaged. Of several processes
// one makes it and the others wait.
func (b goBuilder) keep(ctx context.Context, key built, make func(context.Context) (string, error)) (string, error) {
	dir := filepath.Join(b.cache, key.hash())
	if file, err := kept(dir, key); err == nil {
		return file, nil
	}
	unlock, err := lockFile(ctx, dir+".lock", func() { b.progress("waiting for another netsplit that builds " + key.Program) })
	if err != nil {
		return "", err
	}
	defer unlock()
	file, err := kept(dir, key)
	if err == nil {
		return file, nil // made while we waited
	}
	if !errors.Is(err, fs.ErrNotExist) {
		b.progress(fmt.Sprintf("building again: %v", err))
	}
	if file, err = make(ctx); err != nil {
		return "", err
	}
	return store(dir, key, file)
}

// kept returns the program in a directory of the cache. The error wraps fs.ErrNotExist when there is none.
func kept(dir string, key built) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, builtFile))
	if err != nil {
		return "", err
	}
	var is built
	if err := json.Unmarshal(b, &is); err != nil {
		return "", fmt.Errorf("%s in the cache is damaged: %w", key.Program, err)
	}
	file := filepath.Join(dir, filepath.Base(is.File))
	sum, err := hashFile(file)
	if err != nil {
		return "", fmt.Errorf("%s in the cache is damaged: %v", key.Program, err)
	}
	key.File, key.SHA256 = is.File, sum
	if is != key {
		return "", fmt.Errorf("%s in the cache is damaged: it is not what was built", key.Program)
	}
	return file, nil
}

// store moves a program, which is on the same file system, into its place in the cache, in one step.
func store(dir string, key built, file string) (string, error) {
	fail := func(err error) (string, error) {
		return "", fmt.Errorf("keep %s in the cache: %w", key.Program, err)
	}
	sum, err := hashFile(file)
	if err != nil {
		return fail(err)
	}
	key.File, key.SHA256 = filepath.Base(file), sum
	note, err := json.MarshalIndent(key, "", "  ")
	if err != nil {
		return fail(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), builtFile), note, 0o600); err != nil {
		return fail(err)
	}
	if err := os.RemoveAll(dir); err != nil { // a damaged one
		return fail(err)
	}
	if err := os.Rename(filepath.Dir(file), dir); err != nil {
		return fail(err)
	}
	return filepath.Join(dir, key.File), nil
}

// hashFile returns the SHA-256 of a file in hex.
func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// lockFile takes a lock that other processes respect and that ends with this one. waits is called once if it must wait.
func lockFile(ctx context.Context, name string, waits func()) (unlock func(), err error) {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for told := false; ; told = true {
		unlock, err := tryLock(name)
		if !errors.Is(err, errLocked) {
			return unlock, err
		}
		if !told {
			waits()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for lock %s: %w", name, context.Cause(ctx))
		}
	}
}

// errLocked is returned by tryLock when someone else has the lock.
var errLocked = errors.New("another process has the lock")

// tryLock is lockFile without waiting.
func tryLock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return func() { f.Close() }, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errLocked
	}
	return nil, fmt.Errorf("lock %s: %w", name, err)
}
