package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// chainRepo is the repository of the images of foreign programs made here; the tag is the content's hash.
const chainRepo = "netsplit/chain"

// BuildImage returns a reference to the image that a source describes, made if it is not there yet. It may be called before Create.
func (r *Runtime) BuildImage(ctx context.Context, source runtime.ImageSource, progress func(string)) (string, error) {
	if err := oneWay(source); err != nil {
		return "", fmt.Errorf("get an image: %w", err)
	}
	ctx, done, err := r.begin(ctx)
	if err != nil {
		return "", fmt.Errorf("get an image: %w", err)
	}
	defer done()
	if progress == nil {
		progress = func(string) {}
	}
	switch {
	case source.Go != "":
		ref, err := r.goImage(ctx, source, progress)
		if err != nil {
			return "", fmt.Errorf("image of go: %s: %w", source.Go, err)
		}
		return ref, nil
	case source.Binary != "":
		ref, err := binaryImage(ctx, r.cli, source.Binary)
		if err != nil {
			return "", fmt.Errorf("image of binary: %s: %w", source.Binary, err)
		}
		return ref, nil
	case source.Dockerfile != "":
		ref, err := dockerfileImage(ctx, r.cli, source.Dockerfile, progress)
		if err != nil {
			return "", fmt.Errorf("image of dockerfile: %s: %w", source.Dockerfile, err)
		}
		return ref, nil
	default:
		_, err := givenImage(ctx, r.cli, source.Ref)
		return source.Ref, err
	}
}

// oneWay fails unless exactly one way of a source is set.
func oneWay(s runtime.ImageSource) error {
	ways := 0
	for _, w := range []string{s.Go, s.Binary, s.Ref, s.Dockerfile} {
		if w != "" {
			ways++
		}
	}
	if ways != 1 {
		return fmt.Errorf("the source has %d of go, binary, ref and dockerfile; it needs one", ways)
	}
	if s.LDFlags != "" && s.Go == "" {
		return errors.New("ldflags are for the source go only")
	}
	return nil
}

// goImage builds a Go program, or takes it from the cache, and returns the image that holds it.
func (r *Runtime) goImage(ctx context.Context, source runtime.ImageSource, progress func(string)) (string, error) {
	cache, err := chainCache()
	if err != nil {
		return "", err
	}
	b := goBuilder{cache: cache, run: runGo, progress: progress}
	file, err := b.build(ctx, source.Go, source.LDFlags)
	if err != nil {
		return "", err
	}
	return binaryImage(ctx, r.cli, file)
}
