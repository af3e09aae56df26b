package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/faults"
)

// stranger is a running container with labels "k=v" on networks "name=address".
func stranger(name, labels string, nets ...string) container.Summary {
	c := container.Summary{ID: strings.Repeat(name, 12), Names: []string{"/" + name}, State: "running", Labels: map[string]string{}}
	c.NetworkSettings = &container.NetworkSettingsSummary{Networks: map[string]*network.EndpointSettings{}}
	for l := range strings.FieldsSeq(labels) {
		k, v, _ := strings.Cut(l, "=")
		c.Labels[k] = v
	}
	for _, n := range nets {
		name, addr, _ := strings.Cut(n, "=")
		c.NetworkSettings.Networks[name] = &network.EndpointSettings{NetworkID: "id-of-" + name, IPAddress: addr}
	}
	return c
}

func TestSelector(t *testing.T) {
	dead := stranger("dead", "app=x")
	dead.State = "exited"
	all := []container.Summary{
		stranger("n-10", "app=x zone=a"), stranger("n-2", "app=x zone=b"), dead, stranger("other", ""),
		stranger("ours", "app=x "+labelTestnet+"=t-1"),
	}
	for _, c := range []struct {
		sel        Selector
		want, fail string
	}{
		{Selector{}, "", "neither"},
		{Selector{Labels: []string{"app=x"}}, "n-2 n-10", ""},
		{Selector{Labels: []string{"app"}}, "n-2 n-10", ""},
		{Selector{Labels: []string{"app=x", "zone=a"}}, "n-10", ""},
		{Selector{Labels: []string{"app=y"}}, "", "no running container has label app=y"},
		{Selector{Names: []string{"other", "/n-2", "other"}}, "n-2 other", ""},
		{Selector{Names: []string{strings.Repeat("other", 12)[:12]}}, "other", ""},
		{Selector{Names: []string{"othe"}}, "", "no container is named othe"},
		{Selector{Names: []string{"dead"}}, "", "is exited"},
		{Selector{Names: []string{"ours"}}, "", "testnet t-1"},
		{Selector{Labels: []string{"zone=a"}, Names: []string{"other", "n-10"}}, "n-10 other", ""},
	} {
		got, err := c.sel.selected(all)
		var names []string
		for _, g := range got {
			names = append(names, nameOf(g))
		}
		if strings.Join(names, " ") != c.want || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%+v: %v, %v", c.sel, names, err)
		}
	}
}

func TestStrangersBecomeNodes(t *testing.T) {
	compose := func(project, service string, n int) container.Summary {
		return stranger(fmt.Sprintf("%s_%s_%d", project, service, n), fmt.Sprintf("%s=%s %s=%d", composeService, service, composeNumber, n))
	}
	for _, c := range []struct {
		list []container.Summary
		want string
	}{
		{[]container.Summary{compose("p", "val", 1), compose("p", "val", 2)}, "val-1:val val-2:val"},
		{[]container.Summary{compose("p", "val", 1), compose("q", "val", 1)}, "p-val-1:val q-val-1:val"},
		{[]container.Summary{stranger("El.Geth_1", "")}, "el-geth-1:el-geth-1"},
		{[]container.Summary{stranger("a_1", ""), stranger("a-1", "")}, "error"},
		{[]container.Summary{stranger("___", "")}, "error"},
		{[]container.Summary{stranger(strings.Repeat("x", 60)+"-end", "")}, strings.Repeat("x", 36) + "-end:" + strings.Repeat("x", 36) + "-end"},
	} {
		got, err := named(c.list)
		var names []string
		for _, g := range got {
			names = append(names, fmt.Sprintf("%s:%s", g.id, g.role))
		}
		if err != nil {
			names = []string{"error"}
		}
		if strings.Join(names, " ") != c.want {
			t.Errorf("%v, want %s (%v)", names, c.want, err)
		}
	}
}

func TestTheNetworkOfStrangers(t *testing.T) {
	mode := func(m string) container.Summary {
		c := stranger("m", "", "a=10.0.0.1")
		c.HostConfig.NetworkMode = m
		return c
	}
	for _, c := range []struct {
		list             []container.Summary
		name, want, fail string
	}{
		{[]container.Summary{stranger("x", "", "a=10.0.0.1"), stranger("y", "", "a=10.0.0.2", "b=10.1.0.1")}, "", "id-of-a", ""},
		{[]container.Summary{stranger("x", "", "a=1.1.1.1"), stranger("y", "", "b=1.1.1.1")}, "", "", "share no network: x is on a; y is on b"},
		{[]container.Summary{stranger("x", "", "a=1.1.1.1", "b=1.1.1.2")}, "", "", "(a, b); choose one with --network"},
		{[]container.Summary{stranger("x", "", "a=1.1.1.1", "b=1.1.1.2")}, "b", "id-of-b", ""},
		{[]container.Summary{stranger("x", "", "a=1.1.1.1")}, "c", "", "not all of the containers are on network c; they share: a"},
		{[]container.Summary{stranger("x", "", "a=")}, "", "", "no IPv4 address"},
		{[]container.Summary{mode("host")}, "", "", "host's network"},
		{[]container.Summary{mode("none")}, "", "", "has no network"},
		{[]container.Summary{mode("container:1234")}, "", "", "another container's network"},
	} {
		got, err := common(c.list, c.name)
		if got != c.want || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%s %v: %q, %v", c.name, c.list, got, err)
		}
	}
}

func TestTheBridgeOfANetwork(t *testing.T) {
	id := strings.Repeat("0123456789", 6)
	for _, c := range []struct {
		net        network.Inspect
		want, fail string
	}{
		{network.Inspect{ID: id, Driver: "bridge"}, "br-012345678901", ""},
		{network.Inspect{ID: id, Driver: "bridge", Options: map[string]string{"com.docker.network.bridge.name": "docker0"}}, "docker0", ""},
		{network.Inspect{ID: id, Driver: "overlay"}, "", "driver overlay"},
		{network.Inspect{ID: id, Driver: "bridge", EnableIPv6: true}, "", "IPv6"},
		{network.Inspect{ID: "x", Driver: "bridge"}, "", "strange id"},
	} {
		got, err := bridgeOf(c.net)
		if got != c.want || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%+v: %q, %v", c.net, got, err)
		}
	}
}

// fakeStranger is a container in a state, at an address on network "n".
type fakeStranger struct {
	state container.ContainerState
	addr  string
	err   error
	did   string
}

func (f *fakeStranger) ContainerInspect(context.Context, string) (container.InspectResponse, error) {
	c := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{Status: f.state}},
		NetworkSettings:   &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{"x": {NetworkID: "n", IPAddress: f.addr}}},
	}
	return c, f.err
}

func (f *fakeStranger) ContainerStart(context.Context, string, container.StartOptions) error {
	f.did += "start"
	return nil
}

func (f *fakeStranger) ContainerUnpause(context.Context, string) error {
	f.did += "unpause"
	return nil
}

func TestStrangersAreBroughtBack(t *testing.T) {
	f := &Foreign{network: "n"}
	g := guest{full: "x"}
	g.addr, _ = addrOn(map[string]*network.EndpointSettings{"x": {NetworkID: "n", IPAddress: "10.0.0.1"}}, "n")
	for _, c := range []struct {
		is        fakeStranger
		verb      faults.Verb
		did, fail string
	}{
		{fakeStranger{state: "paused", addr: "10.0.0.1"}, faults.Resume, "unpause", ""},
		{fakeStranger{state: "running", addr: "10.0.0.1"}, faults.Resume, "", ""},
		{fakeStranger{state: "exited", addr: "10.0.0.1"}, faults.Resume, "", ""},
		{fakeStranger{state: "exited", addr: "10.0.0.1"}, faults.Start, "start", ""},
		{fakeStranger{state: "running", addr: "10.0.0.1"}, faults.Start, "", ""},
		{fakeStranger{state: "exited", addr: "10.0.0.2"}, faults.Start, "start", "10.0.0.2 instead of 10.0.0.1"},
		{fakeStranger{err: errdefs.ErrNotFound}, faults.Start, "", ""},
		{fakeStranger{err: errors.New("busy")}, faults.Start, "", "busy"},
	} {
		err := f.bringBack(t.Context(), &c.is, g, c.verb)
		if c.is.did != c.did || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	gone := network.EndpointSettings{NetworkID: "other"}
	if _, err := addrOn(map[string]*network.EndpointSettings{"x": &gone}, "n"); err == nil {
		t.Error("an address on a network that it left")
	}
}
