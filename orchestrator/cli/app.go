package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/node/version"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
)

// Main runs the command line and returns the exit code: 0 all invariants hold, 1 an invariant failed, 2 wrong usage or a
// mistake in a file, 3 the infrastructure failed, 4 an invariant could not be judged, 130 interrupted, which is when ctx ends.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	e := &env{
		stdout: stdout, stderr: stderr, width: widthOf(stdout), errWidth: widthOf(stderr),
		live:   hasEscapes(stderr),
		colour: hasEscapes(stdout) && os.Getenv("NO_COLOR") == "",
	}
	return execute(ctx, e, openDocker, args)
}

// execute runs a command line and returns the exit code. open opens running testnets.
func execute(ctx context.Context, e *env, open opener, args []string) int {
	counted := *e
	safe := []*safeWriter{{w: e.stdout, colour: e.colour}, {w: e.stderr}}
	defer func() {
		for _, w := range safe {
			_ = w.Close()
		}
	}()
	out := &countingWriter{Writer: safe[0]}
	counted.stdout, counted.stderr, counted.terminal = out, safe[1], e.stderr
	e = &counted
	ctx = docker.WithNotices(ctx, func(text string) { fmt.Fprintf(e.stderr, "  %s\n", text) })
	app := newApp(e, open)
	asJSON := wantsJSON(args)
	var err error
	if len(args) == 0 || args[len(args)-1] != completing {
		var help *ucli.Command
		if args, help, err = arrange(app, args); help != nil {
			printHelp(e.stdout, e.style(), help)
			return exitOK
		}
	}
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	code := printErrors(ctx, e.stderr, err)
	if code != exitOK && out.written == 0 && asJSON {
		_ = output{w: e.stdout}.value(jsonError(ctx, err))
	}
	return code
}

// countingWriter counts what is written.
type countingWriter struct {
	io.Writer
	written int64
}

// Write implements io.Writer.
func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.written += int64(n)
	return n, err
}

// wantsJSON reports whether a command line has the flag --json, whatever else may be wrong with it.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		switch strings.TrimLeft(arg, "-") {
		case "":
			if arg == "--" {
				return false
			}
		case flagJSON, flagJSON + "=true":
			return strings.HasPrefix(arg, "-")
		}
	}
	return false
}

func newApp(e *env, open opener) *ucli.App {
	app := &ucli.App{
		Name:   appName,
		Usage:  "spin up real testnets, break their network, prove what held",
		Writer: e.stdout, ErrWriter: e.stderr,
		HideHelpCommand: true, HideVersion: true, EnableBashCompletion: true,
		// Errors are printed once, by execute.
		ExitErrHandler: func(*ucli.Context, error) {},
		Action: func(*ucli.Context) error { // without a command there is --version alone: see arrange
			_, err := fmt.Fprintln(e.stdout, appName, version.String())
			return err
		},
		Flags: []ucli.Flag{ucli.HelpFlag, &ucli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version"}},
		Commands: []*ucli.Command{
			runCommand(e), checkCommand(e), reportCommand(e),
			upCommand(e), downCommand(e), lsCommand(e), statusCommand(e, open), logsCommand(e, open),
			faultCommand(e, open), txCommand(e, open), blockCommand(e, open), walletCommand(e),
			validateCommand(e), catalogCommand(e), chainCommand(e), doctorCommand(e), completionCommand(e),
			{Name: "help", Usage: "show the help of a command", ArgsUsage: "[COMMAND...]"}, // see arrange
		},
	}
	app.Setup()
	setUp(app.Name, app.Commands)
	return app
}

// readOnly are the commands that only read and print: they hold nothing that an interrupt would have to wait for, whatever they
// are reading or computing.
var readOnly = map[string]bool{
	"netsplit check": true, "netsplit report": true, "netsplit validate": true, "netsplit catalog": true, "netsplit ls": true,
	"netsplit chain ls": true, "netsplit chain show": true, "netsplit completion": true,
}

// untilDone calls fn and returns what it returns, or ctx's error when that ends first. Then fn goes on until the process ends.
func untilDone(ctx context.Context, fn func() error) error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setUp gives commands, and those below them, what all have in common. path names the command that they are below.
func setUp(path string, commands []*ucli.Command) {
	for _, c := range commands {
		c.HelpName = path + " " + c.Name
		c.HideHelpCommand = true
		c.BashComplete = complete(c)
		c.OnUsageError = func(_ *ucli.Context, err error, _ bool) error { return usageError(err) }
		if action := c.Action; action != nil {
			c.Action = func(ctx *ucli.Context) error {
				if !readOnly[c.HelpName] {
					return howToName(c, action(ctx))
				}
				return howToName(c, untilDone(ctx.Context, func() error { return action(ctx) }))
			}
		}
		setUp(c.HelpName, c.Subcommands)
	}
}
