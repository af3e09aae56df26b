package docker

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/pkg/stdcopy"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// endlessOnce is an engine whose commands print a line and serve for ever.
type endlessOnce struct {
	onceEngine
	removed []string
}

func (*endlessOnce) ContainerCreate(context.Context, *container.Config, *container.HostConfig, *network.NetworkingConfig, *ocispec.Platform, string) (container.CreateResponse, error) {
	return container.CreateResponse{ID: "x"}, nil
}

func (*endlessOnce) ContainerWait(context.Context, string, container.WaitCondition) (<-chan container.WaitResponse, <-chan error) {
	return nil, nil
}

func (*endlessOnce) ContainerStart(context.Context, string, container.StartOptions) error { return nil }

func (*endlessOnce) ContainerLogs(context.Context, string, container.LogsOptions) (io.ReadCloser, error) {
	var b bytes.Buffer
	_, err := stdcopy.NewStdWriter(&b, stdcopy.Stdout).Write([]byte("listening on :26657\n"))
	return io.NopCloser(&b), err
}

func (e *endlessOnce) ContainerRemove(_ context.Context, id string, _ container.RemoveOptions) error {
	e.removed = append(e.removed, id)
	return nil
}

// A step that serves for ever is ended, with what it said and what to do.
func TestACommandThatServesForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		e := &endlessOnce{}
		_, err := runOnce(ctx, e, &foreignImage{ref: "r"}, runtime.Command{Image: "r"}, "n", nil)
		if took := time.Since(began); took != onceLimit {
			t.Errorf("it took %v", took)
		}
		want := "it did not end within 2m0s; a step must end by itself, and what serves belongs under start; it printed:\n    | listening on :26657"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
		if len(e.removed) != 1 {
			t.Errorf("removed %v", e.removed)
		}
	})
}
