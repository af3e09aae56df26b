package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
)

// imageBuilder is what building from a Dockerfile needs of the engine.
type imageBuilder interface {
	ImageInspect(ctx context.Context, ref string, o ...client.ImageInspectOption) (image.InspectResponse, error)
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
	img, err := e.ImageInspect(ctx, ref)
	if err == nil && img.Config != nil && img.Config.Labels[labelContent] == sum {
		return ref, nil
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return "", fmt.Errorf("inspect image %s: %w", ref, err)
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

// followBuild reads a build's log to its end, tells progress of each step, and returns the build's error with its last
// lines.
func followBuild(body io.Reader, progress func(string)) error {
	var last []string
	for d := json.NewDecoder(body); ; {
		var m jsonmessage.JSONMessage
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return withTail(fmt.Errorf("read the build's log: %w", err), strings.Join(last, "\n"))
		}
		if m.Error != nil {
			return withTail(m.Error, strings.Join(last, "\n"))
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
