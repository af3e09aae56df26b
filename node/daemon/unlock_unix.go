//go:build unix

package daemon

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// unlockAndClose releases and closes a store's file. It unlocks explicitly because a mapping of the file, which bbolt
// leaves behind when it panics, would hold the lock until the process ends.
func unlockAndClose(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}
