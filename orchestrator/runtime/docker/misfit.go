package docker

import "fmt"

// MisfitError says that containers, a network or faults that the user asked for cannot be attached to, or not so. Nothing
// was changed, and the engine is not to blame.
type MisfitError struct {
	msg, hint string
}

func misfit(hint, format string, args ...any) error {
	return &MisfitError{msg: fmt.Sprintf(format, args...), hint: hint}
}

// Error implements error.
func (e *MisfitError) Error() string { return e.msg }

// Hint says what to do; it may be empty.
func (e *MisfitError) Hint() string { return e.hint }
