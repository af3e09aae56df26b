package cli

import (
	"fmt"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/faults"
)

// prepare gives a command and those below it their help, and one way of reporting usage errors. path names the command
// that they are below.
func prepare(path string, commands []*ucli.Command) {
	for _, c := range commands {
		c.HelpName = path + " " + c.Name
		c.HideHelpCommand = true
		c.CustomHelpTemplate = commandHelp
		c.OnUsageError = flagError
		c.Before = argumentsFit(c.Before)
		for _, f := range c.Flags {
			if b, ok := f.(*ucli.BoolFlag); ok {
				b.DisableDefaultText = true
			}
		}
		prepare(c.HelpName, c.Subcommands)
	}
}

// verb is a command's name in messages: "tx send".
func verb(c *ucli.Command) string { return strings.TrimPrefix(c.HelpName, "netsplit ") }

// flagError makes one clear error of what the flag parser says.
func flagError(c *ucli.Context, err error, _ bool) error {
	msg := err.Error()
	if name, ok := strings.CutPrefix(msg, "flag provided but not defined: -"); ok {
		return usagef(flagHint(c.Command, name), "%s has no flag %s", verb(c.Command), dashed(name))
	}
	if name, ok := strings.CutPrefix(msg, "flag needs an argument: -"); ok {
		return usagef(valueHint(c.Command, name), "%s needs a value", dashed(name))
	}
	// invalid value "x" for flag -nodes: parse error
	if value, rest, ok := strings.Cut(msg, " for flag -"); ok {
		name, _, _ := strings.Cut(rest, ":")
		value = strings.TrimPrefix(value, "invalid value ")
		return usagef(valueHint(c.Command, name), "%s cannot be %s", dashed(name), value)
	}
	if value, rest, ok := strings.Cut(msg, " for -"); ok { // invalid boolean value "x" for -json: parse error
		name, _, _ := strings.Cut(rest, ":")
		return usagef("give the flag alone", "%s cannot be %s", dashed(name), strings.TrimPrefix(value, "invalid boolean value "))
	}
	return usagef(helpHint(c.Command), "%s", msg)
}

// dashed is a flag's name as it is typed.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// flagHint says which flag was most likely meant.
func flagHint(c *ucli.Command, name string) string {
	var names []string
	for _, f := range c.Flags {
		names = append(names, f.Names()...)
	}
	if near := faults.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %s?", dashed(near))
	}
	return helpHint(c)
}

// valueHint gives an example of a flag's value.
func valueHint(c *ucli.Command, name string) string {
	switch flagNamed(c.Flags, name).(type) {
	case *ucli.IntFlag, *ucli.Uint64Flag:
		return fmt.Sprintf("a whole number, for example %s 20", dashed(name))
	case *ucli.DurationFlag:
		return fmt.Sprintf("a duration, for example %s 30s or %s 100ms", dashed(name), dashed(name))
	}
	return helpHint(c)
}

func helpHint(c *ucli.Command) string {
	return fmt.Sprintf("`%s --help` shows how it is used", c.HelpName)
}

// required makes a check that all of some flags are set.
func required(names ...string) ucli.BeforeFunc {
	return func(c *ucli.Context) error {
		var missing []string
		for _, n := range names {
			if !c.IsSet(n) {
				missing = append(missing, dashed(n))
			}
		}
		if len(missing) == 0 {
			return nil
		}
		return usagef(helpHint(c.Command), "%s needs %s", verb(c.Command), strings.Join(missing, ", "))
	}
}

// argumentsFit makes a check that a command is not given more positional arguments than its ArgsUsage shows: none where
// it is empty, any number where it ends in dots, else one. next, if not nil, is checked after that.
func argumentsFit(next ucli.BeforeFunc) ucli.BeforeFunc {
	return func(c *ucli.Context) error {
		most := 1
		switch shown := c.Command.ArgsUsage; {
		case len(c.Command.Subcommands) > 0, strings.HasSuffix(strings.TrimSuffix(shown, "]"), "..."):
			most = c.NArg()
		case shown == "":
			most = 0
		}
		if c.NArg() > most {
			return usagef(helpHint(c.Command), "%s does not take %q", verb(c.Command), c.Args().Get(most))
		}
		if next != nil {
			return next(c)
		}
		return nil
	}
}
