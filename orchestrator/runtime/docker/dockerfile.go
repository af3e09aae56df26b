package docker

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// imageBuilder is what building from a Dockerfile needs of the engine.
type imageBuilder interface {
	imageInspector
	ImageBuild(ctx context.Context, context io.Reader, o build.ImageBuildOptions) (build.ImageBuildResponse, error)
}

// dockerfileImage builds a Dockerfile with its directory as the context, unless the engine has the image of that context.
func dockerfileImage(ctx context.Context, e imageBuilder, file string, progress func(string)) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	packed, sum, err := packContext(file)
	if err != nil {
		return "", err
	}
	defer packed.Close()
	ref := chainRepo + ":" + sum[:12]
	if _, found, err := findImage(ctx, e, ref, sum); found || err != nil {
		return ref, err
	}
	progress("building " + file)
	answer, err := e.ImageBuild(ctx, packed, build.ImageBuildOptions{
		Tags:       []string{ref},
		Dockerfile: filepath.Base(file),
		BuildArgs:  buildArgs(string(text), os.Getenv),
		Labels:     map[string]string{labelTool: tool, labelContent: sum},
		Version:    build.BuilderV1, // the other one needs a session that only its own client speaks
		Remove:     true, ForceRemove: true,
	})
	if err != nil {
		return "", fmt.Errorf("build: %w", err)
	}
	defer answer.Body.Close()
	if err := followBuild(answer.Body, progress); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return "", fmt.Errorf("build: %w", err)
	}
	return ref, nil
}

// packContext packs the directory of a Dockerfile into a temporary file, at its beginning, and returns its hash in hex.
// The file has no name and is gone when the caller closes it, or is killed.
func packContext(file string) (*os.File, string, error) {
	f, err := os.CreateTemp("", "netsplit-context-")
	if err != nil {
		return nil, "", fmt.Errorf("pack the build's context: %w", err)
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00", filepath.Base(file))
	err = os.Remove(f.Name())
	if err == nil {
		err = writeContext(io.MultiWriter(f, h), filepath.Dir(file), filepath.Base(file))
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, "", fmt.Errorf("pack the build's context: %w", err)
	}
	return f, hex.EncodeToString(h.Sum(nil)), nil
}

// proxyArgs are build arguments that every Dockerfile may be given, undeclared.
var proxyArgs = []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}

// argGoproxy finds the declaration of GOPROXY; a build is given no argument that it does not declare.
var argGoproxy = regexp.MustCompile(`(?mi)^\s*ARG\s+GOPROXY\b`)

// buildArgs are the proxies of the environment, which a build needs as much as its user does.
func buildArgs(dockerfile string, getenv func(string) string) map[string]*string {
	names := proxyArgs
	if argGoproxy.MatchString(dockerfile) {
		names = append([]string{"GOPROXY"}, proxyArgs...)
	}
	args := map[string]*string{}
	for _, name := range names {
		if v := getenv(name); v != "" {
			args[name] = &v
		}
	}
	return args
}

// followBuild reads a build's log to its end, reports each step to progress, and returns the build's error with its last
// lines.
func followBuild(body io.Reader, progress func(string)) error {
	var last []string
	for d := json.NewDecoder(body); ; {
		var m jsonmessage.JSONMessage
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return withOutput(fmt.Errorf("read the build's log: %w", err), strings.Join(last, "\n"))
		}
		if m.Error != nil {
			return withOutput(m.Error, strings.Join(last, "\n"))
		}
		for line := range strings.Lines(m.Stream) {
			line = strings.TrimRight(line, "\r\n")
			if line == "" {
				continue
			}
			if strings.HasPrefix(line, "Step ") {
				progress(line)
			}
			last = append(last, line)
			last = last[max(0, len(last)-tailLines):]
		}
	}
}

// ignoreFile lists what does not belong to a build's context.
const ignoreFile = ".dockerignore"

// writeContext writes a directory as a tar stream that depends on names, contents and executable bits alone, without
// what .dockerignore leaves out.
func writeContext(w io.Writer, dir, dockerfile string) error {
	ignored, err := readIgnore(filepath.Join(dir, ignoreFile))
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	// WalkDir goes in lexical order.
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil || name == "." {
			return err
		}
		out, err := ignored.MatchesOrParentMatches(name)
		if err != nil {
			return fmt.Errorf("%s: %w", ignoreFile, err)
		}
		// The builder reads these two, and removes them itself if they are not to be seen.
		if out && name != dockerfile && name != ignoreFile {
			if d.IsDir() && !ignored.Exclusions() {
				return fs.SkipDir
			}
			return nil
		}
		return addContext(tw, file, filepath.ToSlash(name), d)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

// readIgnore reads a .dockerignore; a missing one leaves nothing out.
func readIgnore(file string) (*patternmatcher.PatternMatcher, error) {
	var patterns []string
	f, err := os.Open(file)
	switch {
	case err == nil:
		defer f.Close()
		if patterns, err = ignorefile.ReadAll(f); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return m, nil
}

// addContext adds one entry of a directory. Sockets and devices are left out.
func addContext(tw *tar.Writer, file, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()&0o111 | 0o644)}
	switch info.Mode().Type() {
	case fs.ModeDir:
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", 0o755
		return tw.WriteHeader(h)
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(file); err != nil {
			return err
		}
		return tw.WriteHeader(h)
	case 0:
		h.Typeflag = tar.TypeReg
		return addFile(tw, h, file)
	default:
		return nil
	}
}
