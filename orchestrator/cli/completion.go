package cli

import (
	"fmt"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/testnets"
)

// completing is the last argument of a command line that requests completions; the scripts below add it.
const completing = "--generate-bash-completion"

const bashCompletion = `_netsplit() {
  local cur="${COMP_WORDS[COMP_CWORD]}" call=("${COMP_WORDS[@]:0:COMP_CWORD}")
  [[ "$cur" == -* ]] && call+=("$cur")
  COMPREPLY=($(compgen -W "$("${call[@]}" ` + completing + ` 2>/dev/null)" -- "$cur"))
}
complete -o bashdefault -o default -F _netsplit netsplit
`

const zshCompletion = `#compdef netsplit
_netsplit() {
  local -a call found
  call=("${(@)words[1,CURRENT-1]}")
  [[ "${words[CURRENT]}" == -* ]] && call+=("${words[CURRENT]}")
  found=("${(@f)$("${call[@]}" ` + completing + ` 2>/dev/null)}")
  if [[ -n "${found[1]}" ]]; then compadd -a found; else _files; fi
}
compdef _netsplit netsplit
`

func completionCommand(e *env) *ucli.Command {
	return &ucli.Command{
		Name:      "completion",
		Usage:     "print a script for completion in a shell",
		ArgsUsage: "SHELL",
		Description: "SHELL is bash, zsh or fish. To use it in this shell:\n" +
			"  bash, zsh:  source <(netsplit completion bash)\n" +
			"  fish:       netsplit completion fish | source",
		Action: func(c *ucli.Context) error {
			script, err := "", error(nil)
			switch shell := c.Args().First(); shell {
			case "bash":
				script = bashCompletion
			case "zsh":
				script = zshCompletion
			case "fish":
				script, err = c.App.ToFishCompletion()
			default:
				return usagef("bash, zsh or fish", "no completion for shell %q", shell)
			}
			if err == nil {
				_, err = fmt.Fprint(e.stdout, script)
			}
			return err
		},
	}
}

// complete prints what can follow a command: its flags, the commands below it, and the names that its argument can be.
func complete(cmd *ucli.Command) ucli.BashCompleteFunc {
	flags := ucli.DefaultCompleteWithFlags(cmd)
	return func(c *ucli.Context) {
		flags(c)
		switch strings.Trim(cmd.ArgsUsage, "[].") {
		case "SCENARIO":
			for _, x := range testnets.Catalog() {
				fmt.Fprintln(c.App.Writer, x.Name)
			}
		case "CHAIN":
			for _, x := range testnets.Chains() {
				fmt.Fprintln(c.App.Writer, x.Name)
			}
		case "SHELL":
			fmt.Fprintln(c.App.Writer, "bash\nzsh\nfish")
		}
	}
}
