package docker

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// BenchmarkLaunch compares a testnet's start with that of the same containers by the engine's own client, each as
// parallel as the other, in turns. "launch-ratio" is Launch alone; "up-ratio" is all from New to the end of Launch, with
// the agent and the log followers that the engine's client does not start, against network and containers.
func BenchmarkLaunch(b *testing.B) {
	needDocker(b)
	for _, n := range []int{10, 50} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			var up, launch, rawUp, rawLaunch time.Duration
			for b.Loop() {
				u, l := timeOurs(b, n)
				ru, rl := timeRaw(b, n)
				up, launch, rawUp, rawLaunch = up+u, launch+l, rawUp+ru, rawLaunch+rl
			}
			per := float64(b.N) * float64(time.Millisecond)
			b.ReportMetric(float64(launch)/per, "launch-ms")
			b.ReportMetric(float64(rawLaunch)/per, "engine-launch-ms")
			b.ReportMetric(float64(launch)/float64(rawLaunch), "launch-ratio")
			b.ReportMetric(float64(up)/per, "up-ms")
			b.ReportMetric(float64(up)/float64(rawUp), "up-ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// timeOurs starts a testnet and returns how long all of it, and Launch alone, took.
func timeOurs(b *testing.B, n int) (up, launch time.Duration) {
	begin := time.Now()
	r := must.Get(New(b.Context(), Options{Lease: true}))(b)
	defer func() { must.Check(b, r.Close(context.WithoutCancel(b.Context()))) }()
	hosts := must.Get(r.Create(b.Context(), testPlan(b, n, newRecord())))(b)
	made := time.Now()
	must.Do(b, r.Launch(b.Context(), launches(hosts), nil))
	return time.Since(begin), time.Since(made)
}

// timeRaw does with the engine's client alone what a testnet's start is made of.
func timeRaw(b *testing.B, n int) (up, launch time.Duration) {
	r := must.Get(New(b.Context(), Options{}))(b)
	defer func() { must.Check(b, r.Close(context.WithoutCancel(b.Context()))) }()
	// The runtime only describes the containers, and removes them at the end.
	r.plan = testPlan(b, n, nil)
	r.nodeSet = newNodeSet(r.cli, r.plan.ID, "")
	r.factory = must.Get(newFactory(r.cli, nil))(b)
	r.factory.cli.image = must.Get(netsplitImage(b.Context(), r.cli, ""))(b)
	begin := time.Now()
	for p := range subnets(r.plan.ID, smallest, nil) {
		_, err := r.cli.NetworkCreate(b.Context(), networkName(r.plan.ID), network.CreateOptions{
			Driver: "bridge", Internal: true, Labels: testnetLabels(r.plan), Options: driverOptions(r.plan.ID),
			IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: p.String()}}},
		})
		must.Do(b, err)
		for i, l := range r.plan.Nodes {
			n := &node{id: l.ID, role: "n", addr: offset(p.Addr(), firstHost+uint32(i)), container: containerName(r.plan.ID, l.ID)}
			must.Do(b, r.add(n))
		}
		break
	}
	made := time.Now()
	var g errgroup.Group
	g.SetLimit(parallel)
	for _, nd := range r.order {
		g.Go(func() error { return r.startRaw(b.Context(), nd) })
	}
	must.Do(b, g.Wait())
	return time.Since(begin), time.Since(made)
}

// startRaw makes a node's container with the engine's client.
func (r *Runtime) startRaw(ctx context.Context, n *node) error {
	files, err := nodeFiles(map[string][]byte{"/etc/netsplit/node.json": []byte(n.id), "/srv/deep/down/file": []byte("deep")}).pack()
	if err != nil {
		return err
	}
	req := r.nodeRequest(n, runtime.Launch{Args: []string{"node"}})
	cfg := &container.Config{Cmd: req.Cmd, Labels: req.Labels}
	host := &container.HostConfig{}
	ends := map[string]*network.EndpointSettings{}
	req.ConfigModifier(cfg)
	req.HostConfigModifier(host)
	req.EndpointSettingsModifier(ends)
	c, err := r.cli.ContainerCreate(ctx, cfg, host, &network.NetworkingConfig{EndpointsConfig: ends}, nil, req.Name)
	if err != nil {
		return err
	}
	if err := r.cli.CopyToContainer(ctx, c.ID, "/", bytes.NewReader(files), container.CopyToContainerOptions{}); err != nil {
		return err
	}
	return r.cli.ContainerStart(ctx, c.ID, container.StartOptions{})
}
