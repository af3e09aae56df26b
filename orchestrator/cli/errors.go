package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// The exit codes.
const (
	exitOK             = 0
	exitViolated       = 1
	exitUsage          = 2
	exitInfrastructure = 3
	exitUnknown        = 4
	exitInterrupted    = 130
)

// severity orders exit codes: of more than one error the most severe gives the exit code. A clean-up that failed
// after an interrupt is worse than the interrupt.
var severity = map[int]int{
	exitOK: 0, exitUnknown: 1, exitViolated: 2, exitInterrupted: 3, exitUsage: 4, exitInfrastructure: 5,
}

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

// noEngine marks an error as one about the container engine.
func noEngine(err error) error {
	return infrastructure(err, "`netsplit doctor` shows what was found; `netsplit run SCENARIO --runtime sim` needs no engine")
}

// printErrors prints what went wrong, each error once and with its hint, and returns the exit code.
func printErrors(ctx context.Context, w io.Writer, err error) int {
	code := exitOK
	for _, one := range split(err) {
		if c := printError(ctx, w, one); severity[c] > severity[code] {
			code = c
		}
	}
	return code
}

// printError prints one error and returns its exit code.
func printError(ctx context.Context, w io.Writer, err error) int {
	exit := &exitError{code: exitInfrastructure}
	if errors.As(err, &exit) && exit.err == nil {
		return exit.code
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(w, "netsplit: interrupted")
		return exitInterrupted
	}
	var (
		spec    *strictyaml.Error
		file    *external.FileError
		call    *external.CallError
		node    *runtime.NodeError
		advised interface{ Hint() string }
	)
	if errors.As(err, &advised) && exit.hint == "" {
		exit = &exitError{code: exit.code, hint: advised.Hint()}
	}
	switch {
	case docker.Unreachable(err):
		// Whatever was being done then, it was the engine that failed.
	case errors.As(err, &file):
		fmt.Fprintln(w, file)
		return exitUsage
	case errors.As(err, &call), errors.As(err, &node):
		// Nodes run by then: it is no longer the file alone that is to blame.
	case errors.As(err, &spec):
		// Its lines begin with the file, line and column, as a compiler's do, and hold their own hints.
		fmt.Fprintln(w, err)
		return exitUsage
	}
	fmt.Fprintf(w, "netsplit: %v\n", err)
	if exit.hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", exit.hint)
	}
	return exit.code
}

// split returns the errors that errors.Join joined.
func split(err error) []error {
	if err == nil {
		return nil
	}
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var texts []string
	for _, part := range many.Unwrap() {
		texts = append(texts, part.Error())
	}
	if err.Error() != strings.Join(texts, "\n") {
		return []error{err} // it says more than its parts
	}
	var out []error
	for _, part := range many.Unwrap() {
		out = append(out, split(part)...)
	}
	return out
}
