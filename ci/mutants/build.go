package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// builder builds package simulate with the node unchanged and with mutants.
type builder struct {
	dir  string // of the binaries
	root string // of the module
	base string // binary with the unchanged node
	key  string // of its content
}

// newBuilder builds the binary with the unchanged node. All mutants' names in the cache depend on its content.
func newBuilder(ctx context.Context, dir string) (*builder, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	b := &builder{dir: dir, root: root, base: filepath.Join(dir, "unchanged")}
	if err := b.goBuild(ctx, b.base, ""); err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(b.base)
	if err != nil {
		return nil, err
	}
	b.key = digest(binary)
	return b, nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d ", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// goBuild builds package simulate, with the files that an overlay replaces.
func (b *builder) goBuild(ctx context.Context, out, overlay string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-overlay="+overlay, "-o", out, "./ci/mutants/simulate")
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	return nil
}

// build returns the binary of a mutant, which is built unless an earlier call did.
func (b *builder) build(ctx context.Context, m *mutant) (string, error) {
	files, err := m.apply(filepath.Join(b.root, "node"))
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(m.texts())
	if err != nil {
		return "", err
	}
	binary := filepath.Join(b.dir, m.name+"-"+digest([]byte(b.key), text))
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if old, err := filepath.Glob(filepath.Join(b.dir, m.name+"-*")); err == nil { // of other versions
		for _, f := range old {
			_ = os.Remove(f) // harmless if it stays
		}
	}
	tmp, err := os.MkdirTemp(b.dir, "overlay-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	overlay, err := writeOverlay(tmp, files)
	if err != nil {
		return "", err
	}
	built := filepath.Join(tmp, "simulate")
	if err := b.goBuild(ctx, built, overlay); err != nil {
		return "", fmt.Errorf("mutant %s: %w", m.name, err)
	}
	return binary, os.Rename(built, binary)
}

// writeOverlay writes the changed files and the JSON of go build's -overlay, and returns its name.
func writeOverlay(dir string, files map[string][]byte) (string, error) {
	replace := make(map[string]string)
	for path, text := range files {
		name := filepath.Join(dir, digest([]byte(path))+".go")
		if err := os.WriteFile(name, text, 0o644); err != nil {
			return "", err
		}
		replace[path] = name
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o644)
}

// apply returns the changed files of the node's source in dir, by path.
func (m *mutant) apply(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for _, e := range m.edits {
		path := filepath.Join(dir, filepath.FromSlash(e.file))
		text, ok := files[path]
		if !ok {
			var err error
			if text, err = os.ReadFile(path); err != nil {
				return nil, fmt.Errorf("mutant %s: %w", m.name, err)
			}
		}
		if n := bytes.Count(text, []byte(e.old)); n != 1 || e.old == e.new {
			return nil, fmt.Errorf("mutant %s: %s has the text %d times, want once: %q", m.name, e.file, n, e.old)
		}
		files[path] = bytes.Replace(text, []byte(e.old), []byte(e.new), 1)
	}
	if len(files) == 0 {
		return nil, errors.New("mutant " + m.name + ": no edits")
	}
	return files, nil
}

// texts is what identifies a mutant's content.
func (m *mutant) texts() []string {
	var texts []string
	for _, e := range m.edits {
		texts = append(texts, e.file, e.old, e.new)
	}
	return texts
}
