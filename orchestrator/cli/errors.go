package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/testnets"
)

// The exit codes.
const (
	exitOK             = 0
	exitViolated       = 1
	exitUsage          = 2
	exitInfrastructure = 3
	exitInterrupted    = 130
)

// exitError is an error with an exit code and a hint of what to do next.
type exitError struct {
	code int
	err  error // nil: everything has been printed already
	hint string
}

// Error implements error.
func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

// Unwrap implements errors.Unwrap.
func (e *exitError) Unwrap() error { return e.err }

// usagef makes an error about how the command was called.
func usagef(hint, format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

func usageError(err error) error { return &exitError{code: exitUsage, err: err} }

// infrastructure marks an error as the engine's or the host's failure.
func infrastructure(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitInfrastructure, err: err, hint: hint}
}

// exit prints an error, with its hint, and returns the exit code.
func (e *env) exit(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	var exit *exitError
	known := errors.As(err, &exit)
	if known && exit.err == nil {
		return exit.code
	}
	var spec *testnets.Error
	switch {
	case errors.As(err, &spec):
		fmt.Fprintln(e.err, err)
		return exitUsage
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(e.err, "netsplit: interrupted")
		return exitInterrupted
	case !known:
		exit = &exitError{code: exitInfrastructure, err: err}
	}
	fmt.Fprintf(e.err, "netsplit: %v\n", err)
	if exit.hint != "" {
		fmt.Fprintf(e.err, "  hint: %s\n", exit.hint)
	}
	return exit.code
}
