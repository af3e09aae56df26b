//go:build !unix

package daemon

import "os"

// unlockAndClose closes a store's file. If bbolt panicked, the lock is released only when the process ends.
func unlockAndClose(f *os.File) error { return f.Close() }
