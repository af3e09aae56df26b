package testnets

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed chains
var chains embed.FS

// ParseChain decodes and checks a chain file. file is its name in messages, and paths in it begin in its directory.
// Errors are *Error, several of them joined in the order of the file. Nothing is run and no file is read.
func ParseChain(file string, src []byte) (*Chain, error) {
	shown := hideSecrets(src)
	body, err := parseYAML(file, src)
	if err != nil {
		var at *Error
		if errors.As(err, &at) {
			at.Excerpt = excerpt(shown, at.Pos)
			at.Msg = strings.ReplaceAll(at.Msg, "a scenario", "a chain file")
			if line, _ := lineOf(shown, at.Pos.Line); at.Hint == "" && bytes.Contains(line, []byte("{{")) {
				at.Hint = quoteTemplates
			}
		}
		return nil, err
	}
	from := &origin{file: file, src: shown}
	d := &chainDecoder{decoder: decoder{file: file, src: shown}, from: from}
	c := d.chain(body)
	if len(d.errs) > 0 {
		return nil, join(d.errs)
	}
	c.File, c.Source = file, bytes.Clone(src)
	if err := c.validate(from); err != nil {
		return nil, err
	}
	for _, p := range []*string{&c.Image.Binary, &c.Image.Dockerfile} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(file), *p)
		}
	}
	return c, nil
}

// ErrorAt returns an Error about a place in the chain's file, with an excerpt, for those who find mistakes that only
// show when the chain is used.
func (c *Chain) ErrorAt(pos Pos, msg, hint string) *Error {
	return errorAt(c.File, hideSecrets(c.Source), pos, msg, hint)
}

// secretValue finds values that no message may show, by the key before them. The value may begin in the next line.
var secretValue = regexp.MustCompile(`(?i)` +
	`(\b(?:pas\w*|pwd|bear\w*|private_?key)["']?[ \t]*:[ \t]*(?:[|>][-+0-9]*[ \t]*)?(?:\r?\n[ \t]+)?|\bbasic["']?[ \t]*:[ \t]+)` +
	`("[^"\n]*"|'[^'\n]*'|[^ \t\n][^\n]*)`)

// hideSecrets returns src with stars in place of secrets, for excerpts. Templates are no secrets: what they render to is.
func hideSecrets(src []byte) []byte {
	return secretValue.ReplaceAllFunc(src, func(all []byte) []byte {
		m := secretValue.FindSubmatch(all)
		key, value := m[1], m[2]
		if bytes.Contains(value, []byte("{{")) {
			return all
		}
		if bytes.HasPrefix(bytes.ToLower(key), []byte("basic")) && value[0] == '{' {
			return append(bytes.Clone(key), hideSecrets(value)...) // a mapping, as it should be
		}
		hidden := bytes.Map(func(r rune) rune {
			if strings.ContainsRune(" ,{}[]\"'\r", r) {
				return r
			}
			return '*'
		}, value)
		return append(bytes.Clone(key), hidden...)
	})
}

// Chains lists the ready chains by name, without netsplit's own, which needs no file. It decodes each of them, which the
// package's tests prove possible.
func Chains() []Entry {
	names := chainNames()
	out := make([]Entry, 0, len(names))
	for _, name := range names {
		c, err := loadChain(name)
		if err != nil {
			panic(fmt.Sprintf("testnets: a chain is broken: %v", err))
		}
		out = append(out, Entry{Name: c.Name, Description: c.Description})
	}
	return out
}

// chainNames lists the names of the ready chains in ascending order.
func chainNames() []string {
	files, err := fs.Glob(chains, "chains/*.yaml")
	if err != nil {
		panic(fmt.Sprintf("testnets: the chains are missing: %v", err))
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return names
}

// ChainPrefix begins Chain.File where the chain is a ready one and not a file of the user's.
const ChainPrefix = "chain:"

// OpenChain decodes a chain: a file where nameOrPath contains a slash or ends in .yaml or .yml, else a ready one.
func OpenChain(nameOrPath string) (*Chain, error) {
	if strings.ContainsAny(nameOrPath, "/"+string(os.PathSeparator)) ||
		strings.HasSuffix(nameOrPath, ".yaml") || strings.HasSuffix(nameOrPath, ".yml") {
		return loadChainFile(nameOrPath)
	}
	for _, name := range chainNames() {
		if name == nameOrPath {
			return loadChain(name)
		}
	}
	return nil, fmt.Errorf("no chain is called %q\n  hint: %s (a file is given by its path, such as ./mychain.yaml)",
		shorten(nameOrPath), suggest(nameOrPath, "names", append(chainNames(), "netsplit")))
}

// loadChain decodes a ready chain.
func loadChain(name string) (*Chain, error) {
	src, err := chains.ReadFile(path.Join("chains", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("read chain %s: %w", name, err)
	}
	return ParseChain(ChainPrefix+name, src)
}

// loadChainFile decodes a chain file, of which it never reads more than one may have.
func loadChainFile(name string) (*Chain, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read chain: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read chain: %w", err)
	}
	return ParseChain(name, src)
}
