package docker

import (
	"bytes"
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"
	"github.com/testcontainers/testcontainers-go"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// dress makes the request for a node's container honour the launch's environment and image. A foreign image keeps its
// entry point, its user and its stop signal; its files belong to its user.
func (r *Runtime) dress(ctx context.Context, req *testcontainers.ContainerRequest, l runtime.Launch) error {
	config := req.ConfigModifier
	if l.Image == "" {
		req.ConfigModifier = func(c *container.Config) {
			config(c)
			c.Env = append(c.Env, l.Env...)
		}
		return nil
	}
	img, err := r.foreign(ctx, l.Image)
	if err != nil {
		return err
	}
	req.ConfigModifier = func(c *container.Config) {
		config(c)
		c.Env = append(c.Env, l.Env...)
		c.Image, c.StopSignal = img.ref, ""
		// The runner judges nodes; a check of the image's own would only run beside it.
		c.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	}
	host := req.HostConfigModifier
	req.HostConfigModifier = func(h *container.HostConfig) {
		host(h)
		h.CapAdd = foreignCaps
		h.Sysctls = l.Sysctls
	}
	req.LifecycleHooks = nil
	if len(l.Files) == 0 {
		return nil
	}
	req.LifecycleHooks = []testcontainers.ContainerLifecycleHooks{{
		PostCreates: []testcontainers.ContainerHook{func(ctx context.Context, c testcontainers.Container) error {
			id := c.GetContainerID()
			packed, err := img.pack(ctx, r.cli, id, l.Files)
			if err != nil {
				return err
			}
			if err := r.cli.CopyToContainer(ctx, id, "/", bytes.NewReader(packed), container.CopyToContainerOptions{}); err != nil {
				return fmt.Errorf("copy files: %w", err)
			}
			return nil
		}},
	}}
	return nil
}
