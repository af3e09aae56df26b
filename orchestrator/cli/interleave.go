package cli

import (
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"
)

// interleave moves flags before positional arguments, so that `run split-brain --json` means what it says: the flag
// parser itself stops at the first argument that is not a flag. Everything after "--" stays where it is.
func interleave(app *ucli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	return append([]string{args[0]}, arrange(app.Commands, app.Flags, args[1:])...)
}

// arrange orders the arguments of one level of commands, and of the command that they name below it.
func arrange(commands []*ucli.Command, flags []ucli.Flag, args []string) []string {
	var front, rest []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			return slices.Concat(front, rest, args[i:])
		case strings.HasPrefix(a, "-") && a != "-":
			front = append(front, a)
			if takesValue(flags, a) && i+1 < len(args) {
				i++
				front = append(front, args[i])
			}
		default:
			if sub := find(commands, a); sub != nil && len(rest) == 0 {
				return slices.Concat(front, []string{a}, arrange(sub.Subcommands, sub.Flags, args[i+1:]))
			}
			rest = append(rest, a)
		}
	}
	if len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		return slices.Concat(front, []string{"--"}, rest)
	}
	return slices.Concat(front, rest)
}

// takesValue reports whether the flag that arg names is followed by its value in the next argument.
func takesValue(flags []ucli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		if _, isBool := f.(*ucli.BoolFlag); !isBool && slices.Contains(f.Names(), name) {
			return true
		}
	}
	return false
}

func find(commands []*ucli.Command, name string) *ucli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}
