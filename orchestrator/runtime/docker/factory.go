package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

const (
	// parallel is how many containers are made at once. The engine does most of the work for one container under locks;
	// beyond this it only queues.
	parallel = 8
	// stopSeconds is what a node has between SIGTERM and SIGKILL.
	stopSeconds = 10
	// maxPids bounds the threads of a node.
	maxPids = 4096
)

// factory makes a testnet's network and the containers of its nodes and agent through testcontainers-go. It knows their
// common settings, and no testnet.
type factory struct {
	*testcontainers.DockerProvider
	cli *cachingClient
}

// newFactory opens testcontainers-go on our own client, without its log and without its reaper, which would need an image
// from a registry; what this package makes is removed by label instead. driver are the options of networks.
func newFactory(cli client.APIClient, driver map[string]string) (f *factory, err error) {
	configureOnce()
	// The library panics where it finds no engine.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("open testcontainers: %v", v)
		}
	}()
	if os.Getenv(client.EnvOverrideHost) == "" {
		// The library does not know docker's contexts, and panics where it finds no engine by itself.
		os.Setenv(client.EnvOverrideHost, cli.DaemonHost())
		defer os.Unsetenv(client.EnvOverrideHost)
	}
	p, err := testcontainers.NewDockerProvider(
		testcontainers.WithLogger(noLog{}), testcontainers.WithDefaultBridgeNetwork(testcontainers.Bridge))
	if err != nil {
		return nil, fmt.Errorf("open testcontainers: %w", err)
	}
	if !p.Config().RyukDisabled {
		return nil, errors.New("open testcontainers: its reaper is on: it was configured before netsplit could turn it off")
	}
	// It chose an engine by rules of its own, such as a properties file in the home directory; ours is the checked one.
	if err := p.Close(); err != nil {
		return nil, fmt.Errorf("open testcontainers: %w", err)
	}
	f = &factory{DockerProvider: p, cli: &cachingClient{APIClient: cli, driver: driver}}
	p.SetClient(f.cli)
	return f, nil
}

// configureOnce turns the reaper and the banner off. The library reads its settings once, and the environment is the only
// place that overrides its properties file.
var configureOnce = sync.OnceFunc(func() {
	os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	tclog.SetDefault(noLog{})
})

// noLog is a logger that drops everything.
type noLog struct{}

// Printf implements log.Logger.
func (noLog) Printf(string, ...any) {}

// cachingClient is the engine's client as testcontainers-go sees it. It answers what the library queries again for every
// container from memory, and adds to a network what the library has no field for.
type cachingClient struct {
	client.APIClient
	// image is the image of nodes and agent.
	image image.InspectResponse
	// driver holds the driver options of every network that this client makes.
	driver map[string]string
}

// ImageInspect answers from memory; the library inspects twice for every container.
func (c *cachingClient) ImageInspect(context.Context, string, ...client.ImageInspectOption) (image.InspectResponse, error) {
	return c.image, nil
}

// NetworkList answers that the engine has its default network. The library looks for nothing else, and where it is off would
// make another, which would stay.
func (c *cachingClient) NetworkList(context.Context, network.ListOptions) ([]network.Summary, error) {
	return []network.Summary{{Name: testcontainers.Bridge, Driver: testcontainers.Bridge}}, nil
}

// NetworkCreate adds the driver's options.
func (c *cachingClient) NetworkCreate(ctx context.Context, name string, o network.CreateOptions) (network.CreateResponse, error) {
	o.Options = c.driver
	return c.APIClient.NetworkCreate(ctx, name, o)
}

// Close does nothing: the library closes idle connections after every call, and the next call would open one again.
func (c *cachingClient) Close() error { return nil }

// request is what the containers of nodes and agent have in common: no privileges, nothing published, a bounded log. It
// has no wait strategy, log consumer or published port: each costs the library further requests, and the runner judges
// readiness by the node itself.
func (f *factory) request(name string, args []string, labels map[string]string) testcontainers.ContainerRequest {
	return testcontainers.ContainerRequest{
		Name:   name,
		Image:  f.cli.image.ID,
		Cmd:    args,
		Labels: labels,
		ConfigModifier: func(c *container.Config) {
			timeout := stopSeconds
			c.Image = f.cli.image.ID // whatever registry prefix the library was configured with
			c.StopSignal = "SIGTERM"
			c.StopTimeout = &timeout
		},
		HostConfigModifier: func(h *container.HostConfig) {
			pids := int64(maxPids)
			h.CapDrop = []string{"ALL"}
			h.SecurityOpt = []string{"no-new-privileges"}
			h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyDisabled}
			h.PidsLimit = &pids
			h.LogConfig = container.LogConfig{Type: "json-file", Config: map[string]string{
				"max-size": "256m", "max-file": "2", "compress": "false",
			}}
		},
	}
}

// start makes a container, and starts it once ready, if there is one, returns nil.
func (f *factory) start(ctx context.Context, req testcontainers.ContainerRequest, ready func() error) error {
	c, err := f.CreateContainer(ctx, req)
	if err != nil {
		return err
	}
	if ready != nil {
		if err := ready(); err != nil {
			return err
		}
	}
	return c.Start(ctx)
}
