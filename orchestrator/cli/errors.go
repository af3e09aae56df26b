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

const noEngineHint = "`netsplit doctor` shows what was found; `netsplit run SCENARIO --runtime sim` needs no engine"

// noEngine marks an error as one about the container engine.
func noEngine(err error) error {
	return infrastructure(err, noEngineHint)
}

// printErrors prints what went wrong, each error once and with its hint, and returns the exit code.
func printErrors(ctx context.Context, w io.Writer, err error) int {
	code := exitOK
	for _, one := range split(err) {
		d := describeError(ctx, one)
		if d.text != "" {
			fmt.Fprintf(w, "%s%s\n", d.program, d.text)
		}
		if d.hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", d.hint)
		}
		if severity[d.code] > severity[code] {
			code = d.code
		}
	}
	return code
}

// errorJSON is what a command with --json prints in the place of its result when it fails.
type errorJSON struct {
	Error    string `json:"error"`
	Hint     string `json:"hint,omitempty"`
	ExitCode int    `json:"exit_code"`
}

// jsonError is what printErrors prints, as one value. Where there is more than one error, each is on lines of its own.
func jsonError(ctx context.Context, err error) errorJSON {
	var out errorJSON
	for _, one := range split(err) {
		d := describeError(ctx, one)
		out.Error = strings.TrimPrefix(out.Error+"\n"+d.text, "\n")
		if d.hint != "" {
			out.Hint = strings.TrimPrefix(out.Hint+"\n"+d.hint, "\n")
		}
		if severity[d.code] > severity[out.ExitCode] {
			out.ExitCode = d.code
		}
	}
	return out
}

// described is an error as it is printed.
type described struct {
	code    int
	program string // what comes before the text: the program's name, but nothing before the name of a file
	text    string // empty where everything has been printed already
	hint    string
}

// describeError says how one error is printed, and its exit code.
func describeError(ctx context.Context, err error) described {
	const program = appName + ": "
	exit := &exitError{code: exitInfrastructure}
	if errors.As(err, &exit) && exit.err == nil {
		return described{code: exit.code}
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return described{exitInterrupted, program, "interrupted", ""}
	}
	var (
		spec    *strictyaml.Error
		file    *external.FileError
		call    *external.CallError
		node    *runtime.NodeError
		advised interface{ Hint() string }
	)
	hint := exit.hint
	if errors.As(err, &advised) && hint == "" {
		hint = advised.Hint()
	}
	switch {
	case docker.Unreachable(err):
		// Whatever was being done then, it was the engine that failed.
	case errors.As(err, &file):
		return described{exitUsage, "", file.Error(), ""}
	case errors.As(err, &call), errors.As(err, &node):
		// Nodes run by then: it is no longer the file alone that is to blame.
	case errors.As(err, &spec):
		// Its lines begin with the file, line and column, as a compiler's do, and hold their own hints.
		return described{exitUsage, "", err.Error(), ""}
	}
	return described{exit.code, program, err.Error(), hint}
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
