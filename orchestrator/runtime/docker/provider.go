package docker

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// newProvider opens testcontainers-go on our own client, quiet and without its reaper, which would need an image from a
// registry; what this package makes is removed by label instead.
func newProvider(cli *lean) (p *testcontainers.DockerProvider, err error) {
	quietOnce()
	// The library panics where it finds no engine.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("open testcontainers: %v", v)
		}
	}()
	p, err = testcontainers.NewDockerProvider(
		testcontainers.WithLogger(silent{}), testcontainers.WithDefaultBridgeNetwork(testcontainers.Bridge))
	if err != nil {
		return nil, fmt.Errorf("open testcontainers: %w", err)
	}
	if !p.Config().RyukDisabled {
		return nil, fmt.Errorf("open testcontainers: its reaper is on: it was configured before netsplit could turn it off")
	}
	// It chose an engine by rules of its own, such as a properties file in the home directory; ours is the checked one.
	if err := p.Close(); err != nil {
		return nil, fmt.Errorf("open testcontainers: %w", err)
	}
	p.SetClient(cli)
	return p, nil
}

// quietOnce turns the reaper and the banner off. The library reads its settings once, and the environment is the only
// place that wins over its properties file.
var quietOnce = sync.OnceFunc(func() {
	os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	tclog.SetDefault(silent{})
})

// silent is a logger that says nothing.
type silent struct{}

// Printf implements log.Logger.
func (silent) Printf(string, ...any) {}

// lean is the engine's client as testcontainers-go sees it. It answers what the library asks again for every container
// and what we already know, and adds to a network what the library cannot say.
type lean struct {
	client.APIClient
	// image is the image of every container that this client makes.
	image image.InspectResponse
	// driver holds the driver options of every network that this client makes.
	driver map[string]string
}

// ImageInspect answers from memory; the library asks twice for every container.
func (c *lean) ImageInspect(context.Context, string, ...client.ImageInspectOption) (image.InspectResponse, error) {
	return c.image, nil
}

// NetworkCreate adds the driver's options.
func (c *lean) NetworkCreate(ctx context.Context, name string, o network.CreateOptions) (network.CreateResponse, error) {
	o.Options = c.driver
	return c.APIClient.NetworkCreate(ctx, name, o)
}

// Close does nothing: the library closes idle connections after every call, and the next call would open one again.
func (c *lean) Close() error { return nil }
