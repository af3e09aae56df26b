//go:build !unix

package daemon

import "os"

// unlockAndClose lets go of a store's file; where bbolt panicked, its lock goes when the process ends.
func unlockAndClose(f *os.File) error { return f.Close() }
