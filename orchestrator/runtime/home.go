package runtime

import (
	"fmt"
	"os"
	"os/user"
)

// HomeDir is the home directory of the user: $HOME, and where that is not set, as in services, that of the system's table
// of users. Its error is a *HostError.
func HomeDir() (string, error) {
	dir, err := os.UserHomeDir()
	if err == nil {
		return dir, nil
	}
	if u, uerr := user.Current(); uerr == nil && u.HomeDir != "" {
		return u.HomeDir, nil
	}
	return "", &HostError{Err: fmt.Errorf("find the home directory: %w, and user %d has none in the system's table of users", err, os.Getuid())}
}

// HostError is something about this host, rather than about what a user wrote in a file or on the command line.
type HostError struct {
	Err    error
	Advice string // what to do; may be empty
}

// Error implements error.
func (e *HostError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Unwrap.
func (e *HostError) Unwrap() error { return e.Err }

// Hint is what to do about it.
func (e *HostError) Hint() string { return e.Advice }
