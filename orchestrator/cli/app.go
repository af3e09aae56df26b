package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	ucli "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/netsplit/netsplit/node/version"
	"github.com/netsplit/netsplit/orchestrator/report"
)

// env is what commands see of the process that they run in.
type env struct {
	stdout, stderr io.Writer
	live           bool // stderr is a terminal on which a line can be redrawn
	colour         bool // stdout may be coloured
	width          int  // of stdout, in columns; 0: not known
}

// Main runs the command line and returns the exit code: 0 all invariants hold, 1 an invariant failed, 2 wrong usage or a
// mistake in a file, 3 the infrastructure failed, 130 interrupted, which is when ctx ends.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	e := &env{
		stdout: stdout, stderr: stderr, width: widthOf(stdout),
		live:   isTerminal(stderr) && os.Getenv("TERM") != "dumb",
		colour: isTerminal(stdout) && os.Getenv("TERM") != "dumb" && os.Getenv("NO_COLOR") == "",
	}
	return execute(ctx, e, openDocker, args)
}

// execute runs a command line and returns the exit code. open opens running testnets.
func execute(ctx context.Context, e *env, open opener, args []string) int {
	app := newApp(e, open)
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
	return printErrors(ctx, e.stderr, err)
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

// setUp gives commands, and those below them, what all have in common. path names the command that they are below.
func setUp(path string, commands []*ucli.Command) {
	for _, c := range commands {
		c.HelpName = path + " " + c.Name
		c.HideHelpCommand = true
		c.BashComplete = complete(c)
		c.OnUsageError = func(_ *ucli.Context, err error, _ bool) error { return usageError(err) }
		setUp(c.HelpName, c.Subcommands)
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// widthOf is the width of an output in columns: $COLUMNS, else the terminal's; 0 where neither is known.
func widthOf(w io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			return n
		}
	}
	return 0
}

// style says how tables and text for stdout are drawn.
func (e *env) style() report.Style { return report.Style{Colour: e.colour, Width: e.width} }
