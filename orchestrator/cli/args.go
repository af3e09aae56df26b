package cli

import (
	"fmt"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/testnets"
)

// arrange finds the command that args name and moves its flags before its positional arguments, so that
// `run split-brain --json` means what it says: the flag parser itself stops at the first argument that is not a flag.
// What comes after "--" is positional. `help run` becomes `run --help`. A command that is not there is a usage error.
func arrange(app *ucli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, nil
	}
	rest := args[1:]
	if len(rest) > 0 && rest[0] == "help" {
		rest = append(slices.Clone(rest[1:]), "--help")
	}
	root := &ucli.Command{Name: app.Name, HelpName: app.Name, Subcommands: app.Commands, Flags: app.Flags}
	arranged, err := arrangeFor(root, rest)
	if err != nil {
		return nil, err
	}
	return append([]string{args[0]}, arranged...), nil
}

// arrangeFor arranges the arguments of a command, and of the one that they name below it.
func arrangeFor(cmd *ucli.Command, args []string) ([]string, error) {
	var flags, rest []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--":
			rest = append(rest, args[i+1:]...)
			i = len(args)
		case strings.HasPrefix(a, "-") && a != "-":
			flags = append(flags, a)
			if takesValue(cmd.Flags, a) {
				if i++; i == len(args) {
					return nil, usagef(valueHint(cmd, strings.TrimLeft(a, "-")), "%s needs a value", a)
				}
				flags = append(flags, args[i])
			}
		case len(cmd.Subcommands) > 0:
			sub := cmd.Command(a)
			if sub == nil {
				return nil, unknownCommand(cmd, a)
			}
			below, err := arrangeFor(sub, args[i+1:])
			return slices.Concat(flags, []string{sub.Name}, below), err
		default:
			rest = append(rest, a)
		}
	}
	if len(rest) == 0 || slices.Contains(flags, "--help") || slices.Contains(flags, "-h") {
		return flags, nil // help is about the command, whatever it is given
	}
	return slices.Concat(flags, []string{"--"}, rest), nil
}

// takesValue reports whether the flag that arg names is followed by its value in the next argument.
func takesValue(flags []ucli.Flag, arg string) bool {
	f := flagNamed(flags, strings.TrimLeft(arg, "-"))
	_, isBool := f.(*ucli.BoolFlag)
	return f != nil && !isBool
}

// flagNamed finds a flag by any of its names, nil when there is none.
func flagNamed(flags []ucli.Flag, name string) ucli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// unknownCommand is the error about a command that cmd does not have.
func unknownCommand(cmd *ucli.Command, name string) error {
	var names []string
	for _, c := range cmd.Subcommands {
		names = append(names, c.Names()...)
	}
	hint := fmt.Sprintf("`netsplit help%s` lists the commands", strings.TrimPrefix(cmd.HelpName, "netsplit"))
	if near := faults.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean `%s %s`?", cmd.HelpName, near)
	} else if inCatalog(name) && cmd.Name == "netsplit" {
		hint = fmt.Sprintf("%s is a scenario; did you mean `netsplit run %s`?", name, name)
	}
	if cmd.Name == "netsplit" {
		return usagef(hint, "there is no command %q", name)
	}
	return usagef(hint, "%s has no command %q", verb(cmd), name)
}

// inCatalog reports whether a scenario of the catalog has that name.
func inCatalog(name string) bool {
	return slices.ContainsFunc(testnets.Catalog(), func(e testnets.Entry) bool { return e.Name == name })
}
