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

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// endlessOnce is an engine whose commands print a line and serve for ever.
type endlessOnce struct {
	commandEngine
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
func TestCommand_TimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		e := &endlessOnce{}
		_, err := runCommand(ctx, e, &externalImage{ref: "r"}, runtime.Command{Image: "r"}, "n", nil)
		if took := time.Since(began); took != commandTimeout {
			t.Errorf("it took %v", took)
		}
		want := "it did not end within 2m0s; a step must end by itself; a server belongs under start; it printed:\n    | listening on :26657"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
		if len(e.removed) != 1 {
			t.Errorf("removed %v", e.removed)
		}
	})
}

func TestCommand_ReturnsFilesAndOutput(t *testing.T) {
	t.Parallel()
	r := open(t)
	r.plan.ID = uniqueName("test")
	ref := helperImage(t, r)
	res, err := r.RunCommand(t.Context(), runtime.Command{
		Image: ref, Args: []string{"copy", "/in/deep/file", "/out/a/b", "stdout"},
		Files: map[string][]byte{"/in/deep/file": []byte("content")}, Collect: []string{"/out", "/in/deep/file"},
	})
	must.Do(t, err)
	must.Equal(t, "stdout\n", string(res.Stdout))
	if string(res.Files["/out/a/b"]) != "content" || string(res.Files["/in/deep/file"]) != "content" || len(res.Files) != 2 {
		t.Errorf("files %q", res.Files)
	}
	wantLeft(t, r.plan.ID, 0)
}

func TestCommand_Errors(t *testing.T) {
	t.Parallel()
	r := open(t)
	ref := helperImage(t, r)
	for _, c := range []struct {
		name string
		cmd  runtime.Command
		want string
	}{
		{"status", runtime.Command{Args: []string{"fail", "30"}}, "status 7; it printed:\n    | line 1\n    | line 2\n    | line 3\n    | line 4\n    | line 5\n    | ... (10 lines)\n    | line 16\n"},
		{"no file", runtime.Command{Args: []string{"say", "x"}, Collect: []string{"/nowhere"}}, "did not make it"},
		{"bad path", runtime.Command{Collect: []string{"out/../x"}}, "absolute"},
		{"bad file", runtime.Command{Files: map[string][]byte{"x": nil}}, "absolute"},
		{"link", runtime.Command{Args: []string{"link", "/etc/passwd", "/out"}, Collect: []string{"/out"}}, "neither a file nor a directory"},
		{"loud", runtime.Command{Args: []string{"loud", "2000000"}}, "more than 1048576 bytes"},
		{"network", runtime.Command{Args: []string{"dial", "192.0.2.1:80"}}, "unreachable"},
	} {
		c.cmd.Image = ref
		must.Fail(t, c.want)(r.RunCommand(t.Context(), c.cmd))
	}
	must.Fail(t, "")(r.RunCommand(t.Context(), runtime.Command{Image: "netsplit-no-such-image:1"}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	must.Fail(t, "deadline")(r.RunCommand(ctx, runtime.Command{Image: ref, Args: []string{"serve"}}))
}

// What a killed process leaves of a command is found, and is no node.
func TestList_LeftCommands(t *testing.T) {
	e := newFakeEngine()
	e.add("a", 1)
	e.put("in-a", map[string]string{labelTool: tool, labelTestnet: "a", labelKind: kindCommand})
	e.put("alone", map[string]string{labelTool: tool, labelTestnet: "command-1-1", labelKind: kindCommand})
	e.put("other", map[string]string{labelTool: tool}) // from the image of a program that was built here
	found, err := list(t.Context(), e, byTool())
	if err != nil || len(found) != 2 || len(found[0].Nodes) != 1 || found[1].ID != "command-1-1" || len(found[1].Nodes) != 0 {
		t.Errorf("found %+v, %v", found, err)
	}
	for _, id := range []string{"a", "command-1-1"} {
		must.Check(t, sweep(t.Context(), e, byTestnet(id)))
	}
	if len(e.containers) != 1 {
		t.Errorf("left %v", e.containers)
	}
}
