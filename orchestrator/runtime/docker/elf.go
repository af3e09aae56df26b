package docker

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// machines are the ELF names of the architectures that Go and the engine agree on.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM,
	"riscv64": elf.EM_RISCV, "s390x": elf.EM_S390, "ppc64le": elf.EM_PPC64, "loong64": elf.EM_LOONGARCH,
}

// standardDirs is where loaders look when nothing else is said.
var standardDirs = []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib"}

// errNoNodeBinary is wrapped when the executable cannot run inside a container of this host.
var errNoNodeBinary = errors.New("this executable cannot serve as a node image; build one from the Dockerfile and pass --image")

// sharedObjects returns the absolute paths of the loader and of every library, transitively, that a dynamically linked
// executable needs; nil for a static one. It fails when the file is not a Linux executable of this architecture.
func sharedObjects(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s as an ELF file: %w: %w", path, err, errNoNodeBinary)
	}
	defer f.Close()
	if want := machines[runtime.GOARCH]; f.Machine != want {
		return nil, fmt.Errorf("%s is built for %v, this host needs %v: %w", path, f.Machine, want, errNoNodeBinary)
	}
	interp, err := interpreter(f)
	if err != nil {
		return nil, fmt.Errorf("read the loader's name in %s: %w", path, err)
	}
	if interp == "" {
		return nil, nil
	}
	r := &resolver{class: f.Class, machine: f.Machine, dirs: slices.Concat(configuredDirs("/etc/ld.so.conf"), standardDirs)}
	if err := r.needs(path, f); err != nil {
		return nil, err
	}
	if !slices.Contains(r.found, interp) {
		r.found = append(r.found, interp)
	}
	slices.Sort(r.found)
	return r.found, nil
}

// interpreter returns the path of the program that must load f; empty for a static executable.
func interpreter(f *elf.File) (string, error) {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, err := io.ReadAll(io.LimitReader(p.Open(), 4096))
			return strings.TrimRight(string(b), "\x00"), err
		}
	}
	return "", nil
}

// resolver finds libraries as the loader would.
type resolver struct {
	class   elf.Class
	machine elf.Machine
	dirs    []string
	found   []string
}

// needs adds the libraries that f, the file at path, names, and what they name in turn.
func (r *resolver) needs(path string, f *elf.File) error {
	libs, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read the libraries of %s: %w", path, err)
	}
	dirs := slices.Concat(runPath(path, f), r.dirs)
	for _, name := range libs {
		if err := r.add(path, name, dirs); err != nil {
			return err
		}
	}
	return nil
}

// add finds one library that user needs.
func (r *resolver) add(user, name string, dirs []string) error {
	for _, p := range r.found {
		if filepath.Base(p) == name {
			return nil
		}
	}
	for _, dir := range dirs {
		p := filepath.Join(dir, name)
		f, err := elf.Open(p)
		if err != nil {
			continue // not here, or a linker script
		}
		if f.Class != r.class || f.Machine != r.machine {
			f.Close()
			continue
		}
		r.found = append(r.found, p)
		err = r.needs(p, f)
		f.Close()
		return err
	}
	return fmt.Errorf("find library %s of %s in %s: %w", name, user, strings.Join(dirs, ":"), os.ErrNotExist)
}

// runPath returns the directories that a file names for its own libraries.
func runPath(path string, f *elf.File) []string {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		vals, err := f.DynString(tag)
		if err != nil {
			continue // a file without a dynamic section names none
		}
		for _, v := range vals {
			for dir := range strings.SplitSeq(v, ":") {
				dir = strings.NewReplacer("$ORIGIN", filepath.Dir(path), "${ORIGIN}", filepath.Dir(path)).Replace(dir)
				if filepath.IsAbs(dir) {
					dirs = append(dirs, dir)
				}
			}
		}
	}
	return dirs
}

// configuredDirs reads the loader's directories from its configuration; a missing file names none.
func configuredDirs(file string) []string {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var dirs []string
	for s := bufio.NewScanner(f); s.Scan(); {
		line, _, _ := strings.Cut(s.Text(), "#")
		line = strings.TrimSpace(line)
		if pattern, ok := strings.CutPrefix(line, "include "); ok {
			pattern = strings.TrimSpace(pattern)
			if !filepath.IsAbs(pattern) {
				pattern = filepath.Join(filepath.Dir(file), pattern)
			}
			files, _ := filepath.Glob(pattern) // a bad pattern names none
			for _, f := range files {
				if f != file {
					dirs = append(dirs, configuredDirs(f)...)
				}
			}
		} else if filepath.IsAbs(line) {
			dirs = append(dirs, line)
		}
	}
	return dirs
}
