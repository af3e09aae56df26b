//go:build unix

package daemon

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// unlockAndClose lets go of a store's file. The lock is given up by name because a mapping of the file, which bbolt
// leaves behind when it panics, would keep it until the process ends.
func unlockAndClose(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}
