package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
)

// errNoGo is wrapped when there is no Go toolchain.
var errNoGo = errors.New("no go command on PATH; install Go (https://go.dev/dl), or name a binary: or ref: in the chain file")

// goBuilder builds Go programs with the user's own toolchain and keeps them.
type goBuilder struct {
	cache    string // an existing directory of this user
	run      goRunner
	progress func(string)
}

// goRunner runs the go command in a directory with an environment and returns its standard output. Its error carries the
// last lines of standard error.
type goRunner func(ctx context.Context, dir string, env []string, args ...string) ([]byte, error)

// goVars are the variables of the user's that change what is built, beside the version and the flags: the go command takes
// them from the environment and from what `go env -w` wrote down.
var goVars = []string{
	"GOEXPERIMENT", "GOFIPS140",
	"GO386", "GOAMD64", "GOARM", "GOARM64", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64",
}

// build returns the executable of a program named "MODULE/cmd@VERSION".
func (b goBuilder) build(ctx context.Context, program, ldflags string) (string, error) {
	pkg, version, err := splitProgram(program)
	if err != nil {
		return "", err
	}
	work, done, err := b.workDir(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	out, err := b.run(ctx, work, nil, append([]string{"env", "-json", "GOVERSION", "GOFLAGS"}, goVars...)...)
	if err != nil {
		return "", err
	}
	var host map[string]string
	if err := json.Unmarshal(out, &host); err != nil {
		return "", fmt.Errorf("read go env: %w", err)
	}
	flags := keptFlags(host["GOFLAGS"])
	env := append(buildEnv(flags), "GOTMPDIR="+filepath.Join(work, goTmp))
	if !exactVersion(version) {
		if version, err = b.resolve(ctx, work, env, pkg, version); err != nil {
			return "", err
		}
	}
	key := built{
		Program: pkg + "@" + version, LDFlags: ldflags, Flags: flags, Env: keptVars(host), Go: host["GOVERSION"], Arch: goruntime.GOARCH,
	}
	return b.keep(ctx, key, func(ctx context.Context) (string, error) {
		b.progress(fmt.Sprintf("building %s with %s", key.Program, key.Go))
		return b.install(ctx, work, env, key)
	})
}

// install builds into the directory work and returns the one file that came out.
func (b goBuilder) install(ctx context.Context, work string, env []string, key built) (string, error) {
	bin := filepath.Join(work, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return "", fmt.Errorf("make a build directory: %w", err)
	}
	args := []string{"install", "-trimpath"}
	if key.LDFlags != "" {
		args = append(args, "-ldflags="+key.LDFlags)
	}
	env = append(env, "GOBIN="+bin)
	_, err := b.run(ctx, work, env, append(args, key.Program)...)
	if err != nil && ctx.Err() == nil && unlisted(err) {
		err = b.installInModule(ctx, work, env, args, key)
	}
	if err != nil {
		return "", hintGo(err)
	}
	made, err := os.ReadDir(bin)
	if err != nil {
		return "", fmt.Errorf("find what was built: %w", err)
	}
	if len(made) != 1 || !made[0].Type().IsRegular() {
		return "", fmt.Errorf("go install made %d programs, not one; name the package of the program's main function", len(made))
	}
	return filepath.Join(bin, made[0].Name()), nil
}

// resolve turns a query such as "latest" into a version. The package's module is the longest part of its path that is one.
func (b goBuilder) resolve(ctx context.Context, work string, env []string, pkg, query string) (string, error) {
	var first error
	for module := pkg; strings.Contains(module, "/"); module = path.Dir(module) {
		out, err := b.run(ctx, work, env, "list", "-m", "-json", module+"@"+query)
		if err != nil {
			if ctx.Err() != nil {
				return "", err
			}
			first = errors.Join(first, err)
			continue
		}
		var m struct{ Version string }
		if err := json.Unmarshal(out, &m); err != nil || m.Version == "" {
			return "", fmt.Errorf("find the version of %s@%s: go list -m said %q: %w", module, query, out, errors.Join(err))
		}
		b.progress(fmt.Sprintf("%s@%s is %s", pkg, query, m.Version))
		return m.Version, nil
	}
	return "", fmt.Errorf("find the version of %s@%s: no module of that path has it: %w", pkg, query, first)
}

// splitProgram splits "MODULE/cmd@VERSION".
func splitProgram(program string) (pkg, version string, err error) {
	pkg, version, ok := strings.Cut(program, "@")
	if !ok || version == "" {
		return "", "", fmt.Errorf("it has no version; write MODULE/cmd@VERSION, for example %s@latest", pkg)
	}
	if pkg == "" || strings.HasPrefix(pkg, "-") || strings.HasPrefix(pkg, ".") || strings.ContainsAny(program, " \t\n\\*") || path.Clean(pkg) != pkg || path.IsAbs(pkg) {
		return "", "", errors.New("it is not of the form MODULE/cmd@VERSION")
	}
	return pkg, version, nil
}

// exactVersion reports whether a version names one release for ever, such as v1.2.3 or a pseudo-version; latest, v1 and
// branches do not.
func exactVersion(v string) bool {
	core, _, _ := strings.Cut(strings.TrimPrefix(v, "v"), "-")
	core, _, _ = strings.Cut(core, "+")
	return strings.HasPrefix(v, "v") && strings.Count(core, ".") == 2 && strings.Trim(core, "0123456789.") == ""
}

// keptFlags are the user's GOFLAGS without those that are about the module that the user happens to be in. They are never
// empty: the go command would fall back on what `go env -w` wrote down.
func keptFlags(goflags string) string {
	kept := slices.DeleteFunc(strings.Fields(goflags), func(f string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(f, "-"), "=")
		return name == "mod" || name == "modfile" || name == "overlay"
	})
	return strings.Join(append(kept, "-trimpath"), " ")
}

// keptVars are the goVars that have a value.
func keptVars(host map[string]string) string {
	var kept []string
	for _, name := range goVars {
		if v := host[name]; v != "" {
			kept = append(kept, name+"="+v)
		}
	}
	return strings.Join(kept, " ")
}

// buildEnv is the environment of a build with some GOFLAGS: static, for containers of this host, and not in a workspace
// that the user happens to be in.
func buildEnv(flags string) []string {
	return []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + goruntime.GOARCH, "GO111MODULE=on", "GOWORK=off", "GOFLAGS=" + flags,
	}
}

// hintGo adds to a failed build what to do, where its words tell.
func hintGo(err error) error {
	for _, h := range []struct{ sign, hint string }{
		{"invalid reference to", "this toolchain refuses a linkname; ldflags: -checklinkname=0 allows it"},
		{"GOTOOLCHAIN=local", "the module wants a newer Go; set GOTOOLCHAIN=auto or install it"},
		{"dial tcp", "the module could not be fetched; check the network, or set GOPROXY"},
		{"cannot install cross-compiled", "unset GOHOSTOS and GOHOSTARCH"},
	} {
		if strings.Contains(err.Error(), h.sign) {
			return fmt.Errorf("%w\n  hint: %s", err, h.hint)
		}
	}
	return err
}

// hash names a build in the cache.
func (k built) hash() string {
	h := sha256.New()
	for _, s := range []string{k.Program, k.LDFlags, k.Flags, k.Env, k.Go, k.Arch} {
		fmt.Fprintf(h, "%d %s\n", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// chainCache returns the directory of built programs, which it makes.
func chainCache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache for built programs: %w", err)
	}
	dir := filepath.Join(base, "netsplit", "chains")
	if err := os.MkdirAll(dir, fs.FileMode(0o700)); err != nil {
		return "", fmt.Errorf("make the cache for built programs: %w", err)
	}
	return dir, nil
}
