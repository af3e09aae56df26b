package testnets

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/scenario"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

//go:embed chains/*.yaml
var chains embed.FS

//go:embed catalog/*.yaml
var catalog embed.FS

// Entry is a scenario of the catalog.
type Entry struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Catalog lists the ready scenarios by name. It decodes each of them, which the package's tests prove possible.
func Catalog() []Entry {
	names := catalogNames()
	out := make([]Entry, 0, len(names))
	for _, name := range names {
		s, err := loadCatalog(name)
		if err != nil {
			panic(fmt.Sprintf("testnets: the catalog is broken: %v", err))
		}
		out = append(out, Entry{Name: s.Name, Description: s.Description})
	}
	return out
}

// catalogNames lists the names of the catalog in ascending order.
func catalogNames() []string {
	files, err := catalog.ReadDir("catalog")
	if err != nil {
		panic(fmt.Sprintf("testnets: the catalog is missing: %v", err))
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(f.Name(), ".yaml")
	}
	return names
}

// Open decodes a scenario: a file where nameOrPath contains a slash or ends in .yaml or .yml, else one of the catalog.
func Open(nameOrPath string) (*scenario.Spec, error) {
	if isPath(nameOrPath) {
		src, err := readFile(nameOrPath)
		if err != nil {
			return nil, fmt.Errorf("read scenario: %w", err)
		}
		return scenario.Parse(nameOrPath, src)
	}
	for _, name := range catalogNames() {
		if name == nameOrPath {
			return loadCatalog(name)
		}
	}
	return nil, fmt.Errorf("no scenario of the catalog is called %q\n  hint: %s (a file is given by its path, such as ./mine.yaml)",
		strictyaml.Shorten(nameOrPath), strictyaml.Suggest(nameOrPath, "names", catalogNames()))
}

// loadCatalog decodes a scenario that is in the catalog.
func loadCatalog(name string) (*scenario.Spec, error) {
	src, err := catalog.ReadFile(path.Join("catalog", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("read scenario %s: %w", name, err)
	}
	return scenario.Parse("catalog:"+name, src)
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

// isPath reports whether a name given for a scenario or chain is a file's: it contains a slash or ends in .yaml or .yml.
func isPath(name string) bool {
	return strings.ContainsAny(name, "/"+string(os.PathSeparator)) ||
		strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
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

// OpenChain decodes a chain: a file where nameOrPath contains a slash or ends in .yaml or .yml, else a ready one.
func OpenChain(nameOrPath string) (*chainspec.Chain, error) {
	if isPath(nameOrPath) {
		src, err := readFile(nameOrPath)
		if err != nil {
			return nil, fmt.Errorf("read chain: %w", err)
		}
		return chainspec.Parse(nameOrPath, src)
	}
	for _, name := range chainNames() {
		if name == nameOrPath {
			return loadChain(name)
		}
	}
	return nil, fmt.Errorf("no chain is called %q\n  hint: %s (a file is given by its path, such as ./mychain.yaml)",
		strictyaml.Shorten(nameOrPath), strictyaml.Suggest(nameOrPath, "names", append(chainNames(), "netsplit")))
}

// loadChain decodes a ready chain.
func loadChain(name string) (*chainspec.Chain, error) {
	src, err := chains.ReadFile(path.Join("chains", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("read chain %s: %w", name, err)
	}
	return chainspec.Parse(chainspec.ReadyPrefix+name, src)
}
