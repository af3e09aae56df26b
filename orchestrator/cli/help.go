package cli

import (
	ucli "github.com/urfave/cli/v2"
)

// The texts of --help.
const (
	appHelp = `netsplit {{.Version}}: {{.Usage}}

usage: netsplit COMMAND [options] [arguments]

commands:{{range .VisibleCommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}

options:{{range .VisibleFlags}}
   {{.}}{{end}}

To begin with: netsplit run split-brain
`

	commandHelp = `{{.HelpName}}: {{.Usage}}

usage: {{.HelpName}}{{if .VisibleCommands}} COMMAND{{end}} [options]{{if .ArgsUsage}} {{.ArgsUsage}}{{end}}
{{- if .Description}}

{{.Description}}{{end}}
{{- if .VisibleCommands}}

commands:{{range .VisibleCommands}}
   {{.Name}}{{"\t"}}{{.Usage}}{{end}}{{end}}

options:{{range .VisibleFlags}}
   {{.}}{{end}}
`
)

// helpCommand is in the list of commands; arrange turns it into --help of the command that it names.
func (e *env) helpCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "help",
		Usage:     "say more about a command",
		ArgsUsage: "[COMMAND...]",
		Action:    ucli.ShowAppHelp,
	}
}
