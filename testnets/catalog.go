package testnets

import (
	"embed"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/scenario"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

//go:embed catalog/*.yaml chains/*.yaml
var files embed.FS

// Entry is a ready scenario or chain.
type Entry struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// collection is a directory of ready files of one kind.
type collection[T any] struct {
	dir, prefix string // of the embedded files, and of their names in messages
	what        string // what such a file is called
	parse       func(file string, src []byte) (T, error)
	entry       func(T) Entry
}

var (
	scenarios = collection[*scenario.Spec]{
		dir: "catalog", prefix: "catalog:", what: "scenario", parse: scenario.Parse,
		entry: func(s *scenario.Spec) Entry { return Entry{s.Name, s.Description} },
	}
	chains = collection[*chainspec.Chain]{
		dir: "chains", prefix: chainspec.ReadyPrefix, what: "chain", parse: chainspec.Parse,
		entry: func(c *chainspec.Chain) Entry { return Entry{c.Name, c.Description} },
	}
)

// Catalog lists the ready scenarios by name. It decodes each of them, which the package's tests prove possible.
func Catalog() []Entry { return scenarios.entries() }

// Chains lists the ready chains by name, without netsplit's own, which needs no file. It decodes each of them, which the
// package's tests prove possible.
func Chains() []Entry { return chains.entries() }

// Open decodes a scenario: a file where nameOrPath contains a slash or ends in .yaml or .yml, else one of the catalog.
func Open(nameOrPath string) (*scenario.Spec, error) {
	if s, found, err := scenarios.open(nameOrPath); found {
		return s, err
	}
	return nil, fmt.Errorf("no scenario of the catalog is called %q\n  hint: %s (a file is given by its path, such as ./mine.yaml)",
		strictyaml.Shorten(nameOrPath), strictyaml.Suggest(nameOrPath, "names", scenarios.names()))
}

// OpenChain decodes a chain: a file where nameOrPath contains a slash or ends in .yaml or .yml, else a ready one.
func OpenChain(nameOrPath string) (*chainspec.Chain, error) {
	if c, found, err := chains.open(nameOrPath); found {
		return c, err
	}
	return nil, fmt.Errorf("no chain is called %q\n  hint: %s (a file is given by its path, such as ./mychain.yaml)",
		strictyaml.Shorten(nameOrPath), strictyaml.Suggest(nameOrPath, "names", append(chains.names(), "netsplit")))
}

// names lists the names of the ready files in ascending order.
func (c collection[T]) names() []string {
	list, err := files.ReadDir(c.dir)
	if err != nil {
		panic(fmt.Sprintf("testnets: %s is missing: %v", c.dir, err))
	}
	names := make([]string, len(list))
	for i, f := range list {
		names[i] = strings.TrimSuffix(f.Name(), ".yaml")
	}
	return names
}

// entries decodes the ready files.
func (c collection[T]) entries() []Entry {
	var out []Entry
	for _, name := range c.names() {
		v, err := c.ready(name)
		if err != nil {
			panic(fmt.Sprintf("testnets: %s %s is broken: %v", c.what, name, err))
		}
		out = append(out, c.entry(v))
	}
	return out
}

// ready decodes a ready file.
func (c collection[T]) ready(name string) (v T, err error) {
	src, err := files.ReadFile(path.Join(c.dir, name+".yaml"))
	if err != nil {
		return v, fmt.Errorf("read %s %s: %w", c.what, name, err)
	}
	return c.parse(c.prefix+name, src)
}

// open decodes a file by its path, or a ready one by its name. found is false when there is no ready one of that name.
func (c collection[T]) open(nameOrPath string) (v T, found bool, err error) {
	if strings.ContainsAny(nameOrPath, "/"+string(os.PathSeparator)) ||
		strings.HasSuffix(nameOrPath, ".yaml") || strings.HasSuffix(nameOrPath, ".yml") {
		src, err := readFile(nameOrPath)
		if err != nil {
			return v, true, fmt.Errorf("read %s: %w", c.what, err)
		}
		v, err = c.parse(nameOrPath, src)
		return v, true, err
	}
	if !slices.Contains(c.names(), nameOrPath) {
		return v, false, nil
	}
	v, err = c.ready(nameOrPath)
	return v, true, err
}

// readFile reads a scenario or chain file, of which it never reads more than one may have.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, strictyaml.MaxSize+1))
}
