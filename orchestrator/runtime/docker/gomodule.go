package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// errReplaced is met where a module can be built only with other modules put in the place of those that it requires.
var errReplaced = errors.New("its go.mod replaces modules, so it can be built in its own repository only; build it there and name the program with the key binary")

// unlisted reports whether go install failed because a proxy serves a module's versions but no list of them, as proxies
// that hold a part of the world do. go install then cannot find out whether the module is deprecated, and gives up.
func unlisted(err error) bool {
	return strings.Contains(err.Error(), "loading deprecation for ") || strings.Contains(err.Error(), "loading module retractions for ")
}

// installInModule does what go install of a program with a version does, from a module of our own that requires it: that
// way no list of versions is asked for. The versions of all dependencies come out the same.
func (b goBuilder) installInModule(ctx context.Context, work string, env, args []string, key built) error {
	dir := filepath.Join(work, "module")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make a build directory: %w", err)
	}
	pkg, _, _ := strings.Cut(key.Program, "@")
	for _, prepare := range [][]string{{"mod", "init", "netsplit.invalid/build"}, {"get", key.Program}} {
		if _, err := b.run(ctx, dir, env, prepare...); err != nil {
			return err
		}
	}
	file, err := b.run(ctx, dir, env, "list", "-f", "{{.Module.GoMod}}", pkg)
	if err != nil {
		return err
	}
	text, err := b.run(ctx, dir, env, "mod", "edit", "-json", strings.TrimSpace(string(file)))
	if err != nil {
		return err
	}
	var mod struct{ Replace []json.RawMessage }
	if err := json.Unmarshal(text, &mod); err != nil {
		return fmt.Errorf("read the go.mod of %s: %w", key.Program, err)
	}
	if len(mod.Replace) > 0 {
		return errReplaced
	}
	_, err = b.run(ctx, dir, env, append(args, pkg)...)
	return err
}
