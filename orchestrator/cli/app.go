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

// env is what every verb gets to see of the world.
type env struct {
	out, err io.Writer
	// live is true when err is a terminal, where one line can be drawn over and over; colour when out may be coloured.
	live, colour bool
	width        int // of out, in columns; 0: not known
	// attach opens the running testnet with that id, or the only one there is when id is empty.
	attach func(ctx context.Context, id string) (*attached, error)
}

// Main runs the command line and returns the exit code: 0 all hold, 1 an invariant failed, 2 usage or bad spec,
// 3 infrastructure failed, 130 interrupted.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	e := &env{out: stdout, err: stderr, live: isTerminal(stderr), attach: attachDocker}
	e.colour = isTerminal(stdout) && os.Getenv("NO_COLOR") == ""
	e.width = widthOf(stdout)
	return e.run(ctx, args)
}

// run carries out a command line and returns the exit code.
func (e *env) run(ctx context.Context, args []string) int {
	app, err := e.app(), error(nil)
	if len(args) == 0 || args[len(args)-1] != completing {
		args, err = arrange(app, args)
	}
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	return e.exit(ctx, err)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// widthOf is the width of an output in columns: $COLUMNS, else the terminal's, 0 where neither is known.
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

func (e *env) app() *ucli.App {
	app := &ucli.App{
		Name:   "netsplit",
		Usage:  "spin up real testnets, break their network, prove what held",
		Writer: e.out, ErrWriter: e.err,
		HideHelpCommand: true, HideVersion: true, EnableBashCompletion: true,
		CustomAppHelpTemplate: appHelp,
		// Errors are printed once, by exit.
		ExitErrHandler: func(*ucli.Context, error) {},
		Action: func(c *ucli.Context) error {
			if !c.Bool("version") {
				return ucli.ShowAppHelp(c)
			}
			_, err := fmt.Fprintln(e.out, "netsplit", version.String())
			return err
		},
		Flags: []ucli.Flag{
			ucli.HelpFlag,
			&ucli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version", DisableDefaultText: true},
		},
		Commands: []*ucli.Command{
			e.runCommand(), e.checkCommand(), e.reportCommand(),
			e.upCommand(), e.downCommand(), e.lsCommand(), e.statusCommand(), e.logsCommand(),
			e.faultCommand(), e.txCommand(), e.blockCommand(), e.walletCommand(),
			e.validateCommand(), e.catalogCommand(), e.chainCommand(), e.doctorCommand(), completionCommand(e),
			{Name: "help", Usage: "show the help of a command", ArgsUsage: "[COMMAND...]"}, // see arrange
		},
	}
	app.Setup()
	setUp(app.Name, app.Commands)
	return app
}

// style returns how tables are to be drawn.
func (e *env) style() report.Style { return report.Style{Colour: e.colour, Width: e.width} }

// table prints rows as a table, or value as JSON when the verb was asked for it.
func (e *env) table(c *ucli.Context, value any, header []string, rows [][]string) error {
	if c.Bool(flagJSON) {
		return writeJSON(e.out, value)
	}
	return e.style().Table(e.out, header, rows)
}
