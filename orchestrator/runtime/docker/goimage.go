package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// errReplaced is returned for a module that can be built only with other modules in the place of those it requires.
var errReplaced = errors.New("its go.mod replaces modules, so it can be built in its own repository only; build it there and name the program with the key binary")

// goBuilder makes images of Go programs with the user's own toolchain and caches.
type goBuilder struct {
	engine imageEngine
	// dir is a directory of this user; every build has a temporary directory there.
	dir      string
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

// goBuild is all that decides what a build gives. Its hash names the image.
type goBuild struct {
	program string // with its exact version
	ldflags string
	goflags string // the user's, without those about the user's own module
	vars    string // goVars that have a value
	version string // of Go
	arch    string
}

func (b goBuild) hash() string {
	h := sha256.New()
	for _, s := range []string{b.program, b.ldflags, b.goflags, b.vars, b.version, b.arch} {
		fmt.Fprintf(h, "%d %s\n", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// image returns the image of a program named "MODULE/cmd@VERSION", built unless the engine has it from an earlier build.
func (b goBuilder) image(ctx context.Context, program, ldflags string) (ref string, err error) {
	pkg, version, err := splitProgram(program)
	if err != nil {
		return "", err
	}
	work, done, err := b.workDir()
	if err != nil {
		return "", err
	}
	defer done()
	out, err := b.run(ctx, work, nil, append([]string{"env", "-json", "GOVERSION", "GOFLAGS"}, goVars...)...)
	if err != nil {
		return "", err
	}
	var user map[string]string
	if err := json.Unmarshal(out, &user); err != nil {
		return "", fmt.Errorf("read go env: %w", err)
	}
	flags := buildFlags(user["GOFLAGS"])
	env := append(buildEnv(flags), "GOTMPDIR="+work)
	if !exactVersion(version) {
		if version, err = b.resolve(ctx, work, env, pkg, version); err != nil {
			return "", err
		}
	}
	build := goBuild{
		program: pkg + "@" + version, ldflags: ldflags, goflags: flags, version: user["GOVERSION"], arch: goruntime.GOARCH,
	}
	for _, name := range goVars {
		if v := user[name]; v != "" {
			build.vars += name + "=" + v + " "
		}
	}
	spec := imageSpec{repo: chainRepo, dirs: chainDirs, hash: build.hash()}
	if _, found, err := findImage(ctx, b.engine, spec.ref(), spec.hash); found || err != nil {
		return spec.ref(), err
	}
	b.progress(fmt.Sprintf("building %s with %s", build.program, build.version))
	file, err := b.install(ctx, work, env, build)
	if err != nil {
		return "", err
	}
	if err := spec.addProgram(file, path.Join("/", filepath.Base(file))); err != nil {
		return "", err
	}
	_, err = spec.make(ctx, b.engine)
	return spec.ref(), err
}

// workPrefix begins the names of the directories in which programs are built; the processID of the builder follows.
const workPrefix = "build-"

// workDir makes a temporary directory to build in, which done removes. It first removes those of builds that were killed.
func (b goBuilder) workDir() (dir string, done func(), err error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return "", nil, noBuildDir(err)
	}
	left, err := filepath.Glob(filepath.Join(b.dir, workPrefix+"*"))
	for _, old := range left {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(old), workPrefix), ".")
		if hasEnded(owner) {
			err = errors.Join(err, os.RemoveAll(old))
		}
	}
	if err != nil {
		b.progress(fmt.Sprintf("cannot remove what killed builds left: %v", err))
	}
	if dir, err = os.MkdirTemp(b.dir, workPrefix+processID(os.Getpid())+".*"); err != nil {
		return "", nil, noBuildDir(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil // a later build removes what cannot be removed now
}

// noBuildDir is the error about a directory to build in that cannot be made.
func noBuildDir(err error) error {
	return &runtime.HostError{Err: fmt.Errorf("make a build directory: %w", err), Advice: "set XDG_CACHE_HOME to a directory that can be written"}
}

// install builds a program into a new directory in work and returns the one file that came out.
func (b goBuilder) install(ctx context.Context, work string, env []string, build goBuild) (string, error) {
	bin := filepath.Join(work, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return "", fmt.Errorf("make a build directory: %w", err)
	}
	args := []string{"install", "-trimpath"}
	if build.ldflags != "" {
		args = append(args, "-ldflags="+build.ldflags)
	}
	env = append(env, "GOBIN="+bin)
	_, err := b.run(ctx, work, env, append(args, build.program)...)
	if err != nil && ctx.Err() == nil && isUnlisted(err) {
		err = b.installInModule(ctx, work, env, args, build.program)
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

// isUnlisted reports whether go install failed because a proxy serves a module's versions but no list of them, as proxies
// with a selection of modules do. go install then cannot find out whether the module is deprecated, and gives up.
func isUnlisted(err error) bool {
	return strings.Contains(err.Error(), "loading deprecation for ") || strings.Contains(err.Error(), "loading module retractions for ")
}

// installInModule does what go install of a program with a version does, from a new module that requires it: that way no
// list of versions is needed. The versions of all dependencies come out the same.
func (b goBuilder) installInModule(ctx context.Context, work string, env, args []string, program string) error {
	dir := filepath.Join(work, "module")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make a build directory: %w", err)
	}
	pkg, _, _ := strings.Cut(program, "@")
	for _, prepare := range [][]string{{"mod", "init", "netsplit.invalid/build"}, {"get", program}} {
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
		return fmt.Errorf("read the go.mod of %s: %w", program, err)
	}
	if len(mod.Replace) > 0 {
		return errReplaced
	}
	_, err = b.run(ctx, dir, env, append(args, pkg)...)
	return err
}

// resolve turns a query such as "latest" into a version. The package's module is the longest part of its path that is one.
func (b goBuilder) resolve(ctx context.Context, work string, env []string, pkg, query string) (string, error) {
	var failed error
	for module := pkg; strings.Contains(module, "/"); module = path.Dir(module) {
		out, err := b.run(ctx, work, env, "list", "-m", "-json", module+"@"+query)
		if err != nil {
			if ctx.Err() != nil {
				return "", err
			}
			failed = errors.Join(failed, err)
			continue
		}
		var m struct{ Version string }
		if err := json.Unmarshal(out, &m); err != nil || m.Version == "" {
			return "", fmt.Errorf("find the version of %s@%s: go list -m printed %q: %w", module, query, out, errors.Join(err))
		}
		b.progress(fmt.Sprintf("%s@%s is %s", pkg, query, m.Version))
		return m.Version, nil
	}
	return "", fmt.Errorf("find the version of %s@%s: no module of that path has it: %w", pkg, query, failed)
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

// buildFlags are the user's GOFLAGS without those about the module that the user happens to be in. They are never empty:
// the go command would fall back on what `go env -w` wrote down.
func buildFlags(goflags string) string {
	flags := slices.DeleteFunc(strings.Fields(goflags), func(f string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(f, "-"), "=")
		return name == "mod" || name == "modfile" || name == "overlay"
	})
	return strings.Join(append(flags, "-trimpath"), " ")
}

// buildEnv is the environment of a build with some GOFLAGS: static, for containers of this host, and not in a workspace
// that the user happens to be in.
func buildEnv(flags string) []string {
	return []string{
		"CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + goruntime.GOARCH, "GO111MODULE=on", "GOWORK=off", "GOFLAGS=" + flags,
	}
}

// hintGo adds to a failed build what to do about it, where that is known.
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
