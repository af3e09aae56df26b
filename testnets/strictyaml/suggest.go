package strictyaml

import (
	"strings"

	"github.com/netsplit/netsplit/faults"
)

// Nearest returns the one of valid that name was most likely meant to be, or "" when none is close. See
// faults.Nearest.
func Nearest(name string, valid []string) string { return faults.Nearest(name, valid) }

// Suggest is a hint for a word that is not one of valid, which are kinds of what ("keys").
func Suggest(word string, what string, valid []string) string {
	if n := Nearest(word, valid); n != "" {
		return `did you mean "` + n + `"?`
	}
	if len(valid) == 0 {
		return "there are no " + what + " here"
	}
	return "valid " + what + ": " + strings.Join(valid, ", ")
}
