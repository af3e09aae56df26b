package cli

import (
	"flag"
	"fmt"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
)

// arrange checks a command line and prepares it for the library, whose flag parser stops at the first argument that is
// not a flag: the command's flags go before its arguments, so that `run split-brain --json` means what it says. What
// follows "--" is an argument. help, if not nil, is the command whose help is to be shown instead. Every mistake is a usage
// error that says what was most likely meant.
func arrange(app *ucli.App, args []string) (arranged []string, help *ucli.Command, err error) {
	cmd := &ucli.Command{Name: app.Name, HelpName: app.Name, Usage: app.Usage, Subcommands: app.Commands, Flags: app.Flags}
	if len(args) < 2 {
		return args, cmd, nil
	}
	path, rest := args[:1:1], args[1:]
	if len(rest) > 0 && rest[0] == "help" {
		rest = append(slices.Clone(rest[1:]), "--help")
	}
	for len(cmd.Subcommands) > 0 && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		sub := cmd.Command(rest[0])
		if sub == nil {
			return nil, nil, unknownCommand(cmd, rest[0])
		}
		path, cmd, rest = append(path, sub.Name), sub, rest[1:]
	}
	if len(cmd.Subcommands) > 0 && len(rest) == 0 {
		return nil, cmd, nil
	}
	rest, wantsHelp, err := arrangeFlags(cmd, rest)
	if wantsHelp {
		help = cmd
	}
	return append(path, rest...), help, err
}

// arrangeFlags checks the arguments of one command and puts its flags first. help is true where they request its help.
func arrangeFlags(cmd *ucli.Command, args []string) (arranged []string, help bool, err error) {
	var flags, given, rest []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			rest = append(rest, args...)
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			rest = append(rest, arg)
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		f := flagNamed(withHelp(cmd.Flags), name)
		switch _, isBool := f.(*ucli.BoolFlag); {
		case f == nil:
			return nil, false, unknownFlag(cmd, name)
		case f == ucli.HelpFlag:
			return nil, true, nil // whatever else is given
		case isBool && !hasValue:
			value = "true"
		case !hasValue && len(args) == 0:
			return nil, false, usagef(valueHint(cmd, f, name), "%s needs a value", dashed(name))
		case !hasValue:
			value, args = args[0], args[1:]
		}
		try := flag.NewFlagSet(cmd.Name, flag.ContinueOnError)
		if err := f.Apply(try); err != nil {
			return nil, false, usageError(err)
		}
		if try.Set(name, value) != nil {
			return nil, false, usagef(valueHint(cmd, f, name), "%s cannot be %q", dashed(name), value)
		}
		flags, given = append(flags, dashed(name)+"="+value), append(given, f.Names()[0])
	}
	if err := checkArguments(cmd, given, rest); err != nil || len(rest) == 0 {
		return flags, false, err
	}
	return slices.Concat(flags, []string{"--"}, rest), false, nil
}

// checkArguments checks that a command has the flags that it requires, and as many arguments as its ArgsUsage shows: none
// where it is empty, else one, or any number where it ends in dots; in brackets, none will do.
func checkArguments(cmd *ucli.Command, given, args []string) error {
	shown := cmd.ArgsUsage
	name := strings.Trim(shown, "[].")
	switch {
	case len(cmd.Subcommands) > 0:
		return nil // none: its help is shown
	case len(args) > 0 && shown == "":
		return usagef(helpHint(cmd), "%s does not take %q", verb(cmd), args[0])
	case len(args) > 1 && !strings.Contains(shown, "..."):
		return usagef(helpHint(cmd), "%s does not take %q", verb(cmd), args[1])
	case len(args) == 0 && shown != "" && !strings.HasPrefix(shown, "["):
		return usagef(argumentHint(cmd, name), "%s needs %s", verb(cmd), name)
	}
	var missing []string
	for _, f := range cmd.Flags {
		if r, ok := f.(ucli.RequiredFlag); ok && r.IsRequired() && !slices.Contains(given, f.Names()[0]) {
			missing = append(missing, dashed(f.Names()[0]))
		}
	}
	if len(missing) > 0 {
		return usagef(helpHint(cmd), "%s needs %s", verb(cmd), strings.Join(missing, ", "))
	}
	return nil
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
	hint := fmt.Sprintf("`netsplit help%s` lists the commands", strings.TrimPrefix(cmd.HelpName, appName))
	if near := faults.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean `%s %s`?", cmd.HelpName, near)
	} else if inCatalog(name) && cmd.Name == appName {
		hint = fmt.Sprintf("%s is a scenario; did you mean `netsplit run %s`?", name, name)
	}
	if cmd.Name == appName {
		return usagef(hint, "there is no command %q", name)
	}
	return usagef(hint, "%s has no command %q", verb(cmd), name)
}

// unknownFlag is the error about a flag that cmd does not have.
func unknownFlag(cmd *ucli.Command, name string) error {
	var names []string
	for _, f := range cmd.Flags {
		names = append(names, f.Names()...)
	}
	hint := helpHint(cmd)
	if near := faults.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", dashed(near))
	}
	return usagef(hint, "%s has no flag %s", verb(cmd), dashed(name))
}

// valueHint gives an example of a flag's value.
func valueHint(cmd *ucli.Command, f ucli.Flag, name string) string {
	switch f.(type) {
	case *ucli.BoolFlag:
		return "give the flag alone"
	case *ucli.IntFlag, *ucli.Uint64Flag:
		return fmt.Sprintf("a whole number, for example %s 20", dashed(name))
	case *ucli.DurationFlag:
		return fmt.Sprintf("a duration, for example %s 30s or %s 100ms", dashed(name), dashed(name))
	}
	return helpHint(cmd)
}

// argumentHint says where a missing argument comes from.
func argumentHint(cmd *ucli.Command, name string) string {
	switch name {
	case "SCENARIO":
		return "`netsplit catalog` lists the ready scenarios"
	case "CHAIN":
		return "`netsplit chain ls` lists the ready chains, `netsplit chain init NAME` writes a new chain file"
	case "NODE":
		return fmt.Sprintf("for example: %s miner-1; `netsplit status` lists the nodes", cmd.HelpName)
	}
	return helpHint(cmd)
}

func helpHint(cmd *ucli.Command) string {
	return fmt.Sprintf("`%s --help` shows its usage", cmd.HelpName)
}

// verb is a command's name in messages: "tx send".
func verb(cmd *ucli.Command) string { return strings.TrimPrefix(cmd.HelpName, appName+" ") }
