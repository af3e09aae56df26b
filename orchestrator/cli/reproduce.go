package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/trace"
	"github.com/netsplit/netsplit/testnets"
)

// reproduce is the command that repeats the run recorded in a directory; empty when it is not known. A scenario that is
// not in the catalog, or was different when it ran, is given by the file in the directory.
func reproduce(dir string, info *trace.Run) string {
	file := filepath.Join(dir, run.SpecFile)
	spec, err := testnets.Open(file)
	if err != nil {
		return ""
	}
	scenario := file
	if inCatalog(info.Scenario) {
		if own, err := testnets.Open(info.Scenario); err == nil && bytes.Equal(own.Source, withoutCall(spec.Source)) {
			scenario = info.Scenario
		}
	}
	words := []string{"netsplit run", shellWord(scenario), "--seed", shellWord(info.Seed)}
	if chain := cmp.Or(info.Chain.File, info.Chain.Name); chain != "" && chain != ourChain {
		words = append(words, "--chain", shellWord(chain))
	}
	for _, d := range recorded(spec.Source, flagStartTimeout) {
		words = append(words, dashed(flagStartTimeout), d)
	}
	if which := recorded(spec.Source, flagAttach); len(which) > 0 {
		for _, w := range which {
			words = append(words, "--attach", w)
		}
		for _, n := range recorded(spec.Source, flagNetwork) {
			words = append(words, "--network", n)
		}
		return strings.Join(words, " ") // there are as many nodes as containers
	}
	if where := strings.FieldsFunc(info.Runtime, func(r rune) bool { return r == ' ' || r == ',' }); len(where) > 0 &&
		slices.Contains([]string{runtimeDocker, runtimeSim}, where[0]) {
		words = append(words, "--runtime", where[0])
	}
	if n := len(info.Nodes); n > 0 && n != len(spec.NodeIDs()) {
		words = append(words, "--nodes", shellWord(n))
	}
	return strings.Join(words, " ")
}

// commandLine is the call in one line where flags change what the scenario says; else empty.
func (o *startOptions) commandLine() string {
	words := []string{o.command}
	if o.scenario != "" {
		words = append(words, shellWord(o.scenario))
	}
	unchanged := len(words)
	add := func(flag string, value any) { words = append(words, dashed(flag), shellWord(value)) }
	if o.nodes != nil {
		add(flagNodes, *o.nodes)
	}
	if o.seed != nil {
		add(flagSeed, *o.seed)
	}
	if o.image != "" {
		add(flagImage, o.image)
	}
	if o.chain != "" && o.chain != ourChain {
		add(flagChain, o.chain)
	}
	for _, which := range o.attach {
		add(flagAttach, which)
	}
	if o.network != "" {
		add(flagNetwork, o.network)
	}
	if o.startTimeout != nil {
		add(flagStartTimeout, *o.startTimeout)
	}
	if o.subnet != "" {
		add(flagSubnet, o.subnet)
	}
	if len(words) == unchanged {
		return ""
	}
	return strings.Join(words, " ")
}

// callMark begins the comment that records the command line; see markCall.
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

// recordedFlag matches a flag of a recorded command line, with its value as shellWord writes it.
var recordedFlag = regexp.MustCompile(` --([a-z-]+) ((?:[A-Za-z0-9_./:@%+=,-]|\\'|\$?'[^']*')+)`)

// recorded returns the values of a flag in the command line that markCall put before a scenario's text, as words of a
// shell command; none where it was not given.
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
	word := fmt.Sprint(value)
	switch {
	case plainWord.MatchString(word):
		return word
	case strings.ContainsFunc(word, func(r rune) bool { return !strconv.IsPrint(r) }):
		return escaped(word)
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// escaped is a word in the quotes in which shells read escapes; all bytes but plain ASCII are escaped.
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
