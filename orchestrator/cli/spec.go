package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/testnets"
)

// specOf loads the scenario that the command line names, changed as its flags say. fallback is used where none is named.
func (e *env) specOf(c *ucli.Context, fallback string) (*testnets.Spec, error) {
	name := c.Args().First()
	if name == "" {
		name = fallback
	}
	spec, err := testnets.Open(name)
	if err != nil {
		return nil, usageError(err)
	}
	if c.IsSet(flagSeed) {
		spec.Seed = c.Uint64(flagSeed)
	}
	if c.IsSet(flagNodes) {
		if err := spec.Scale(c.Int(flagNodes)); err != nil {
			return nil, usageError(err)
		}
	}
	if err := run.Check(spec, nil); err != nil {
		return nil, usageError(err)
	}
	return spec, nil
}

// calledAs is the command line when its flags change what the scenario says; else empty.
func calledAs(c *ucli.Context) string {
	words := []string{c.Command.HelpName}
	if name := c.Args().First(); name != "" {
		words = append(words, shellWord(name))
	}
	changed := len(words)
	for _, name := range []string{flagNodes, flagSeed, flagImage, flagChain} {
		if f := flagNamed(c.Command.Flags, name); f != nil && c.IsSet(name) {
			words = append(words, dashed(name), shellWord(c.Value(name)))
		}
	}
	if flagNamed(c.Command.Flags, flagAttach) != nil {
		for _, which := range c.StringSlice(flagAttach) {
			words = append(words, dashed(flagAttach), shellWord(which))
		}
		if c.IsSet(flagNetwork) {
			words = append(words, dashed(flagNetwork), shellWord(c.String(flagNetwork)))
		}
	}
	if len(words) == changed {
		return ""
	}
	return strings.Join(words, " ")
}

// callMark begins the comment that records how a scenario was called; see markCall.
const callMark = "# netsplit "

// markCall puts a command line before a scenario's text, as a comment.
func markCall(source []byte, call string) []byte {
	if call == "" {
		return source
	}
	return append([]byte("# "+call+"\n"), source...)
}

// withoutCall takes away what markCall put before a scenario's text.
func withoutCall(source []byte) []byte {
	text := string(source)
	if !strings.HasPrefix(text, callMark) {
		return source
	}
	_, rest, _ := strings.Cut(text, "\n")
	return []byte(rest)
}

// recordedFlag matches a flag of a recorded call, with its value as shellWord writes it.
var recordedFlag = regexp.MustCompile(` --([a-z]+) ((?:[A-Za-z0-9_./:@%+=,-]|\\'|\$?'[^']*')+)`)

// recorded returns the values of a flag in the call that markCall put before a scenario's text, as words of a shell
// command; none where it was not given.
func recorded(source []byte, flag string) []string {
	line, _, _ := strings.Cut(string(source), "\n")
	if !strings.HasPrefix(line, callMark) {
		return nil
	}
	var values []string
	for _, m := range recordedFlag.FindAllStringSubmatchIndex(line, -1) {
		end := m[1]
		if line[m[2]:m[3]] == flag && (end == len(line) || line[end] == ' ') {
			values = append(values, line[m[4]:m[5]])
		}
	}
	return values
}

// plainWord matches what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// shellWord is a value as one word of one line of a shell command.
func shellWord(value any) string {
	word := ""
	switch v := value.(type) {
	case string:
		word = v
	case int:
		word = strconv.Itoa(v)
	case uint64:
		word = strconv.FormatUint(v, 10)
	}
	switch {
	case plainWord.MatchString(word):
		return word
	case strings.ContainsFunc(word, func(r rune) bool { return !strconv.IsPrint(r) }):
		return escaped(word)
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// escaped is a word in the quotes that shells read escapes in, with all bytes escaped that are not plain ASCII.
func escaped(word string) string {
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range []byte(word) {
		if c < ' ' || c > '~' || c == '\'' || c == '\\' {
			fmt.Fprintf(&b, `\x%02x`, c)
			continue
		}
		b.WriteByte(c)
	}
	b.WriteString("'")
	return b.String()
}
