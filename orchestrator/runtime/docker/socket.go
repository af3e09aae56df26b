package docker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// The names of the files in the directory of the agent's socket. All but ownerFile are the agent's.
const (
	socketFile  = "agent.sock"
	journalFile = "journal"
	ownerFile   = "owner" // the processID of the netsplit that made the directory
)

// maxSocketPath is the longest path of a Unix socket.
const maxSocketPath = 107

// socketBase is the private directory of this user that holds a directory for every testnet's socket. It is short,
// because the kernel limits the path of a socket; a run's own directory may be anywhere.
func socketBase() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && filepath.IsAbs(dir) && len(dir) < maxSocketPath/2 {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return filepath.Join(dir, "netsplit")
		}
	}
	return "/tmp/netsplit-" + strconv.Itoa(os.Getuid())
}

// makeSocketDir makes the directory of a testnet's socket. Nobody else can enter it.
func makeSocketDir(testnet string) (string, error) {
	base := socketBase()
	dir := filepath.Join(base, testnet)
	if n := len(filepath.Join(dir, socketFile)); n > maxSocketPath {
		return "", fmt.Errorf("the path of a socket in %s has %d bytes, the kernel allows %d; set XDG_RUNTIME_DIR to a shorter one", dir, n, maxSocketPath)
	}
	for {
		err := makePrivate(base, dir)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, ownerFile), []byte(processID(os.Getpid())), 0o600)
			if err != nil {
				return "", errors.Join(fmt.Errorf("make the directory for the testnet's socket: %w", err), removeSocketDir(dir))
			}
			return dir, nil
		}
		if _, gone := os.Stat(filepath.Dir(base)); gone != nil || !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("make the directory for the testnet's socket: %w", err)
		}
		// The end of another testnet, the last in base, removed base meanwhile: once more.
	}
}

// makePrivate makes base, where it is not, and dir in it. It fails with os.ErrNotExist when base is removed meanwhile.
func makePrivate(base, dir string) error {
	if err := os.Mkdir(base, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	if err := checkPrivate(base); err != nil {
		return err
	}
	return os.Mkdir(dir, 0o700)
}

// checkPrivate refuses a directory that another user made in a place open to all.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("check the directory for sockets: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || ok && int(st.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a private directory of this user; remove it (sudo rm -r %s), or set XDG_RUNTIME_DIR", dir, dir)
	}
	return nil
}

// ownerOfDir is the processID of the netsplit that made the directory of a socket; empty where that is not known.
func ownerOfDir(dir string) string {
	id, err := os.ReadFile(filepath.Join(dir, ownerFile))
	if err != nil {
		return ""
	}
	return string(id)
}

// removeSocketDir removes what makeSocketDir and the agent made, and the base when it was the last. It goes by names, not
// recursively: the path may come from a label that anyone can write.
func removeSocketDir(dir string) error {
	for _, name := range []string{socketFile, journalFile, journalFile + ".new", ownerFile, ""} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the socket's directory: %w", err)
		}
	}
	_ = os.Remove(filepath.Dir(dir)) // not empty: another testnet's
	return nil
}
