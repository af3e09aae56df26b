package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

// fakeContainer is a container of a fakeEngine, at an address on network "n".
type fakeContainer struct {
	labels        map[string]string
	state         container.ContainerState
	addr, started string
	err, startErr error // of inspecting and of starting it
	oom           bool
	memory        int64 // its limit in bytes

	// next is the state after late more inspections: the engine notes a pause only after it has answered.
	next container.ContainerState
	late int
}

// fakeEngine holds containers, and the labels of networks, by name. Hooks, if set, come before the real thing.
type fakeEngine struct {
	mu         sync.Mutex
	containers map[string]*fakeContainer
	networks   map[string]map[string]string
	listed     int
	did        []string // actions on containers
	err        error    // of every action

	onList          func(round int) error
	onRemove        func(name string) error
	onNetworkRemove func(name string) error
}

func newFakeEngine() *fakeEngine {
	return &fakeEngine{containers: map[string]*fakeContainer{}, networks: map[string]map[string]string{}}
}

// add makes a testnet with n nodes and an agent, with labels beside the usual ones.
func (e *fakeEngine) add(id string, n int, more ...string) {
	label := func(labels ...string) map[string]string {
		out := map[string]string{labelTool: tool, labelTestnet: id}
		labels = append(labels, more...)
		for i := 0; i < len(labels); i += 2 {
			out[labels[i]] = labels[i+1]
		}
		return out
	}
	e.networks[networkName(id)] = label(labelScenario, "s", labelDir, "/d")
	for i := range n {
		name := fmt.Sprintf("n-%d", i+1)
		e.put("netsplit-"+id+"-"+name, label(labelNode, name, labelRole, "n", labelAddr, fmt.Sprintf("10.0.0.%d", 10+i)))
	}
	e.put(agentName(id), label(labelSocket, "/nowhere/"+id+"/agent.sock"))
}

// put makes a running container.
func (e *fakeEngine) put(name string, labels map[string]string) {
	e.containers[name] = &fakeContainer{labels: labels, state: container.StateRunning}
}

func (e *fakeEngine) ContainerList(_ context.Context, o container.ListOptions) ([]container.Summary, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listed++
	if e.onList != nil {
		if err := e.onList(e.listed); err != nil {
			return nil, err
		}
	}
	var out []container.Summary
	for name, c := range e.containers {
		if matches(o.Filters, c.labels) {
			out = append(out, container.Summary{ID: name, Names: []string{"/" + name}, Labels: c.labels, State: c.state, Created: 100})
		}
	}
	return out, nil
}

func matches(f filters.Args, labels map[string]string) bool { return f.MatchKVList("label", labels) }

func (e *fakeEngine) ContainerRemove(_ context.Context, id string, o container.RemoveOptions) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !o.Force {
		return errors.New("not forced")
	}
	if e.onRemove != nil {
		if err := e.onRemove(id); err != nil {
			return err
		}
	}
	delete(e.containers, id)
	return nil
}

func (e *fakeEngine) NetworkList(_ context.Context, o network.ListOptions) ([]network.Summary, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []network.Summary
	for name, labels := range e.networks {
		if matches(o.Filters, labels) {
			out = append(out, network.Summary{ID: name, Name: name, Labels: labels, Created: time.Unix(50, 0)})
		}
	}
	return out, nil
}

func (e *fakeEngine) NetworkRemove(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.onNetworkRemove != nil {
		if err := e.onNetworkRemove(id); err != nil {
			return err
		}
	}
	delete(e.networks, id)
	return nil
}

func (e *fakeEngine) ContainerInspect(_ context.Context, id string) (container.InspectResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if c == nil {
		return container.InspectResponse{}, errdefs.ErrNotFound
	}
	if c.late > 0 {
		if c.late--; c.late == 0 {
			c.state = c.next
		}
	}
	return container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			State:      &container.State{Status: c.state, StartedAt: c.started, OOMKilled: c.oom},
			HostConfig: &container.HostConfig{Resources: container.Resources{Memory: c.memory}},
		},
		NetworkSettings: &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{"x": {NetworkID: "n", IPAddress: c.addr}}},
	}, c.err
}

// act notes an action and carries it out.
func (e *fakeEngine) act(id, what string, do func(c *fakeContainer)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.containers[id]
	if what == "start" && c.startErr != nil {
		return c.startErr
	}
	e.did = append(e.did, what+" "+id)
	do(c)
	return e.err
}

func (e *fakeEngine) ContainerStart(_ context.Context, id string, _ container.StartOptions) error {
	return e.act(id, "start", func(c *fakeContainer) { c.state, c.started = container.StateRunning, "later" })
}

func (e *fakeEngine) ContainerStop(_ context.Context, id string, o container.StopOptions) error {
	return e.act(id, fmt.Sprint("stop", *o.Timeout), func(*fakeContainer) {})
}

func (e *fakeEngine) ContainerKill(_ context.Context, id, signal string) error {
	return e.act(id, signal, func(*fakeContainer) {})
}

func (e *fakeEngine) ContainerPause(_ context.Context, id string) error {
	return e.act(id, "pause", func(c *fakeContainer) { c.next, c.late = container.StatePaused, 3 })
}

func (e *fakeEngine) ContainerUnpause(_ context.Context, id string) error {
	return e.act(id, "unpause", func(c *fakeContainer) { c.next, c.late = container.StateRunning, 3 })
}
