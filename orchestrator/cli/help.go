package cli

import (
	"fmt"
	"io"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/report"
)

// printHelp prints what a command does, how it is called, the commands below it and its options.
func printHelp(w io.Writer, style report.Style, cmd *ucli.Command) {
	usage := cmd.HelpName
	if len(cmd.Subcommands) > 0 {
		usage += " COMMAND"
	}
	usage = strings.TrimSpace(usage + " [options] " + cmd.ArgsUsage)
	fmt.Fprintf(w, "%s\n\nusage: %s\n", style.Fold(cmd.HelpName+": "+cmd.Usage, 0, 2), usage)
	if cmd.Description != "" {
		fmt.Fprintln(w)
	}
	for line := range strings.Lines(cmd.Description) {
		fmt.Fprintln(w, style.Fold(line, 0, 0))
	}
	var commands, options [][2]string
	for _, c := range cmd.Subcommands {
		commands = append(commands, [2]string{c.Name, c.Usage})
	}
	for _, f := range withHelp(cmd.Flags) {
		if b, ok := f.(*ucli.BoolFlag); ok {
			b.DisableDefaultText = true
		}
		name, text, _ := strings.Cut(f.String(), "\t")
		name, _, _ = strings.Cut(name, " [ ") // "--attach WHICH [ --attach WHICH ]"
		options = append(options, [2]string{name, text})
	}
	printPairs(w, style, "commands", commands)
	printPairs(w, style, "options", options)
	if cmd.HelpName == appName {
		fmt.Fprintln(w, "\nTo start: netsplit run split-brain")
	}
}

// printPairs prints names and what they mean in two columns.
func printPairs(w io.Writer, style report.Style, title string, pairs [][2]string) {
	if len(pairs) == 0 {
		return
	}
	left := 0
	for _, p := range pairs {
		left = max(left, len(p[0]))
	}
	indent := 3 + left + 2
	fmt.Fprintf(w, "\n%s:\n", title)
	for _, p := range pairs {
		fmt.Fprintf(w, "   %-*s  %s\n", left, p[0], style.Fold(p[1], indent, indent))
	}
}

// withHelp adds --help to flags that lack it.
func withHelp(flags []ucli.Flag) []ucli.Flag {
	for _, f := range flags {
		if f == ucli.HelpFlag {
			return flags
		}
	}
	return append(flags[:len(flags):len(flags)], ucli.HelpFlag)
}
