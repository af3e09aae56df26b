package ci_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
)

const module = "github.com/netsplit/netsplit"

// arrows says what each part of the tree may import of ours, beside itself and what lies below it. A directory that is
// not listed follows the nearest one above it.
var arrows = map[string][]string{
	"node":                             {},
	"faults":                           {},
	"orchestrator/trace":               {},
	"testnets":                         {},
	"testnets/strictyaml":              {"faults"},
	"testnets/scenario":                {"faults", "testnets/strictyaml"},
	"testnets/chainspec":               {"faults", "testnets/strictyaml"},
	"orchestrator/invariant":           {"orchestrator/trace"},
	"orchestrator/invariant/replay":    {"orchestrator/trace"},
	"orchestrator/chain":               {"faults", "orchestrator/trace"},
	"orchestrator/chain/native":        {"faults", "orchestrator/trace", "orchestrator/chain", "node"},
	"orchestrator/chain/external":      {"testnets/chainspec", "testnets/strictyaml", "faults", "orchestrator/trace", "orchestrator/chain", "orchestrator/runtime"},
	"orchestrator/runtime":             {"faults"},
	"orchestrator/runtime/sim":         {"faults", "orchestrator/runtime", "node"},
	"orchestrator/runtime/fake":        {"faults", "orchestrator/runtime", "node"},
	"orchestrator/runtime/docker":      {"faults", "orchestrator/runtime"},
	"orchestrator/runtime/runtimetest": {"faults", "orchestrator/runtime", "node", "ci/must"},
	"orchestrator/report":              {"orchestrator/trace", "orchestrator/invariant"},
	"orchestrator/run":                 {"testnets/scenario", "testnets/strictyaml", "faults", "orchestrator/invariant", "orchestrator/trace", "orchestrator/chain", "orchestrator/runtime"},
	"orchestrator/cli":                 {"*"},
	"ci":                               {"orchestrator/report", "orchestrator/invariant"},
	"ci/bench":                         {"*"},
	"ci/mutants":                       {"*"},
	"ci/honest":                        {"testnets/scenario", "testnets/strictyaml"},
	".":                                {"node/daemon", "node/version", "faults/agent", "orchestrator/cli"},
}

// forbidden lists imports that an arrow would allow but that are wrong all the same.
var forbidden = map[string][]string{
	// Concrete runtimes are named by the command line alone.
	"orchestrator/run": {"orchestrator/runtime/docker", "orchestrator/runtime/sim", "orchestrator/runtime/fake", "orchestrator/chain/native"},
	// A chain knows the contract of runtimes, none of them.
	"orchestrator/chain/external": {"orchestrator/runtime/docker", "orchestrator/runtime/sim", "orchestrator/runtime/fake"},
	// The independent re-execution shares no code with the node.
	"orchestrator/invariant/ledger": {"node"},
	// The state machine owns no sockets, disks or servers.
	"node": {"node/daemon"},
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.imports {
			if !allowed(p.dir, imported) {
				t.Errorf("%s imports %s", p.dir, imported)
			}
			if slices.Contains(forbidden[p.dir], imported) {
				t.Errorf("%s must not import %s", p.dir, imported)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if !p.documented {
			t.Errorf("%s has no package comment", p.dir)
		}
	}
}

func TestArrowsFireOnAWrongImport(t *testing.T) {
	for _, c := range []struct {
		dir, imports string
		want         bool
	}{
		{"node/chain", "faults", false},
		{"faults/agent", "orchestrator/trace", false},
		{"orchestrator/invariant", "node", false},
		{"orchestrator/invariant/ledger", "orchestrator/trace", true},
		{"orchestrator/invariant/replay", "orchestrator/invariant", false},
		{"orchestrator/runtime/docker", "node", false},
		{"orchestrator/runtime/docker", "faults/agent", true},
		{"testnets", "orchestrator/run", false},
		{"testnets", "testnets/scenario", true},
		{"testnets/scenario", "testnets/chainspec", false},
	} {
		if got := allowed(c.dir, c.imports); got != c.want {
			t.Errorf("allowed(%s, %s) = %v", c.dir, c.imports, got)
		}
	}
}

// allowed reports whether the package in dir may import the one in imported.
func allowed(dir, imported string) bool {
	rule := dir
	for {
		if _, ok := arrows[rule]; ok || rule == "." {
			break
		}
		rule = path.Dir(rule)
	}
	if rule != "." && within(imported, rule) {
		return true
	}
	for _, a := range arrows[rule] {
		if a == "*" || within(imported, a) {
			return true
		}
	}
	return false
}

func within(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

// goPackage is a directory with Go files that are not tests.
type goPackage struct {
	dir        string
	imports    []string // of ours
	documented bool
}

func packages(t *testing.T) []*goPackage {
	t.Helper()
	byDir := make(map[string]*goPackage)
	root := ".."
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != root) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		if byDir[dir] == nil {
			byDir[dir] = &goPackage{dir: dir}
		}
		byDir[dir].add(file)
		return nil
	})
	must.Do(t, err)
	var all []*goPackage
	for _, p := range byDir {
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("found only %d packages", len(all))
	}
	slices.SortFunc(all, func(a, b *goPackage) int { return strings.Compare(a.dir, b.dir) })
	return all
}

func (p *goPackage) add(file *ast.File) {
	p.documented = p.documented || file.Doc != nil
	for _, i := range file.Imports {
		name, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue
		}
		if ours, ok := strings.CutPrefix(name, module+"/"); ok && !slices.Contains(p.imports, ours) {
			p.imports = append(p.imports, ours)
		}
	}
}
