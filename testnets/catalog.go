package testnets

import (
	"embed"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

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
func Open(nameOrPath string) (*Spec, error) {
	if strings.ContainsAny(nameOrPath, "/"+string(os.PathSeparator)) ||
		strings.HasSuffix(nameOrPath, ".yaml") || strings.HasSuffix(nameOrPath, ".yml") {
		return loadFile(nameOrPath)
	}
	for _, name := range catalogNames() {
		if name == nameOrPath {
			return loadCatalog(name)
		}
	}
	return nil, fmt.Errorf("no scenario of the catalog is called %q\n  hint: %s (a file is given by its path, such as ./mine.yaml)",
		shorten(nameOrPath), suggest(nameOrPath, "names", catalogNames()))
}

// loadCatalog decodes a scenario that is in the catalog.
func loadCatalog(name string) (*Spec, error) {
	src, err := catalog.ReadFile(path.Join("catalog", name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("read scenario %s: %w", name, err)
	}
	return Parse("catalog:"+name, src)
}

// loadFile decodes a scenario file, of which it never reads more than a scenario may have.
func loadFile(name string) (*Spec, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	return Parse(name, src)
}
