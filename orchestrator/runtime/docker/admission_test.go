package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
)

// unfixed are attached containers a, b, c ... at 10.0.0.2, 10.0.0.3 ... without addresses of their own.
func unfixed(n int) []attachedContainer {
	var out []attachedContainer
	for i := range n {
		name := string(rune('a' + i))
		out = append(out, attachedContainer{node: faults.NodeID(name), name: name, addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + i)})})
	}
	return out
}

// plan makes a plan of "kill b 10 20": what, on whom, from and until which second.
func plan(t *testing.T, faultsOf ...string) []faults.Planned {
	t.Helper()
	var list []faults.Scheduled
	for _, f := range faultsOf {
		var kind, who string
		var at, until int
		if _, err := fmt.Sscan(f, &kind, &who, &at, &until); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		list = append(list, faults.Scheduled{
			At: time.Duration(at) * time.Second, For: time.Duration(until-at) * time.Second,
			Fault: faults.NodeFault{Verb: faults.Verb(kind), Nodes: faults.Select{Names: strings.Split(who, ",")}},
		})
	}
	planned := must.Get(faults.Plan(list, faults.Net{Nodes: []faults.NodeID{"a", "b", "c"}}, 1, time.Minute))(t)
	return planned
}

func TestCheckFaults(t *testing.T) {
	rm := unfixed(3)
	rm[1].autoRemove = true
	fixed := unfixed(3)
	for i := range fixed {
		fixed[i].fixed = true
	}
	mixed := unfixed(3)
	mixed[1].fixed = true
	above, below := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.2")
	for _, c := range []struct {
		containers []attachedContainer
		lowest     netip.Addr
		plan       []string
		fail       string
	}{
		{rm, above, []string{"pause b 10 20", "kill a 10 20"}, ""},
		{rm, above, []string{"kill b 10 20"}, "fault kill-1: container b was started with --rm"},
		{rm, above, []string{"stop b 10 20"}, "fault stop-1: container b was started with --rm"},
		{rm, above, []string{"restart a 5 5", "restart b 10 10"}, "fault restart-2: container b was started with --rm"},
		// The engine gives the lowest address that is free.
		{unfixed(3), above, []string{"kill b 10 20"}, ""},
		{unfixed(3), netip.Addr{}, []string{"kill b 10 20"}, ""},
		{unfixed(3), above, []string{"kill a,b,c 10 20"}, ""},
		{unfixed(3), above, []string{"restart a,b,c 10 10"}, ""},
		{unfixed(3), above, []string{"kill b 10 20", "stop a 20 30"}, ""},
		{unfixed(3), above, []string{"kill b 10 20", "stop c 15 30"}, ""},
		{unfixed(3), above, []string{"kill b 10 30", "stop c 15 20"}, "fault stop-1: container c has no fixed address: it would come back at that of b"},
		{unfixed(3), above, []string{"kill b 10 30", "restart c 15 15"}, "fault restart-1: container c has no fixed address"},
		{unfixed(3), above, []string{"kill b 10 30", "restart a 15 15"}, ""},
		{unfixed(3), above, []string{"kill b 10 30", "pause c 15 20"}, ""},
		{unfixed(3), below, []string{"kill c 10 20"}, "fault kill-1: container c has no fixed address: it would come back at 10.0.0.2, which is free, instead of 10.0.0.4"},
		{fixed, below, []string{"kill b 10 30", "stop c 15 20"}, ""},
		{mixed, above, []string{"kill b 10 30", "stop c 15 20"}, "come back at that of b"}, // and b could not come back at all
		{mixed, above, []string{"kill a 10 30", "stop b 15 20"}, ""},
		{rm, above, []string{"kill b 10 20", "restart c 15 15"}, "fault kill-1: container b was started with --rm and would be gone for good\nfault restart-1: container c has"},
	} {
		err := checkFaults(c.containers, c.lowest, plan(t, c.plan...))
		if (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%v: %v, want %s", c.plan, err, c.fail)
		}
		var bad *faults.PlanError
		if err != nil && (!errors.As(err, &bad) || hintOf(bad) == "") {
			t.Errorf("%v: %v has no place or hint", c.plan, err)
		}
	}
}

func TestLowestFree(t *testing.T) {
	on := func(subnet, ips string, addrs ...string) network.Inspect {
		n := network.Inspect{Containers: map[string]network.EndpointResource{}}
		n.IPAM.Config = []network.IPAMConfig{{Subnet: "fd00::/64"}, {Subnet: subnet, IPRange: ips, Gateway: "10.0.0.1", AuxAddress: map[string]string{"x": "10.0.0.3"}}}
		for _, a := range addrs {
			n.Containers[a] = network.EndpointResource{IPv4Address: a + "/24"}
		}
		return n
	}
	unnamed := on("10.0.0.0/24", "", "10.0.0.2")
	unnamed.IPAM.Config[1].Gateway, unnamed.IPAM.Config[1].AuxAddress = "", nil
	for _, c := range []struct {
		net        network.Inspect
		want, here string
	}{
		{on("10.0.0.0/24", "", "10.0.0.4"), "10.0.0.2", "10.0.0.4"},
		{on("10.0.0.0/24", "", "10.0.0.2", "10.0.0.4"), "10.0.0.5", "10.0.0.4"},
		{on("10.0.0.0/24", "10.0.0.64/26", "10.0.0.2", "10.0.0.64"), "10.0.0.65", "10.0.0.64"},
		{on("10.0.0.0/30", "", "10.0.0.2"), "invalid IP", "10.0.0.2"},
		{on("10.0.0.0/24", "", "10.0.0.2"), "invalid IP", "10.9.0.2"},
		{unnamed, "10.0.0.3", "10.0.0.2"},
		{network.Inspect{}, "invalid IP", "10.0.0.2"},
	} {
		if got := lowestFree(c.net, netip.MustParseAddr(c.here)); got.String() != c.want {
			t.Errorf("%+v: %s, want %s", c.net, got, c.want)
		}
	}
}

// The engine gives a container the address that lowestFree returns, on networks made in different ways.
func TestLowestFree_MatchesEngine(t *testing.T) {
	t.Parallel()
	r := open(t)
	ref := helperImage(t, r)
	for name, ipam := range map[string]*network.IPAM{
		"its own subnet": nil,
		"a subnet":       {Config: []network.IPAMConfig{{Subnet: "10.249.77.0/24"}}},
		"a range":        {Config: []network.IPAMConfig{{Subnet: "10.249.78.0/24", IPRange: "10.249.78.64/26"}}},
		"a gateway":      {Config: []network.IPAMConfig{{Subnet: "10.249.79.0/24", Gateway: "10.249.79.2"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who := uniqueName("lowest")
			ctx := context.Background() // clean-up outlives the test's context
			made, err := r.cli.NetworkCreate(ctx, who, network.CreateOptions{Driver: "bridge", IPAM: ipam, Labels: TestLabels()})
			must.Do(t, err)
			defer func() { must.Check(t, r.cli.NetworkRemove(ctx, made.ID)) }()
			for i := range 3 {
				c, err := r.cli.ContainerCreate(ctx, &container.Config{Image: ref, Cmd: []string{"serve"}, Labels: TestLabels()},
					&container.HostConfig{NetworkMode: container.NetworkMode(who)}, nil, nil, fmt.Sprintf("%s_%d", who, i))
				must.Do(t, err)
				defer func() { must.Check(t, r.cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true})) }()
				before := must.Get(r.cli.NetworkInspect(ctx, made.ID, network.InspectOptions{}))(t)
				must.Do(t, r.cli.ContainerStart(ctx, c.ID, container.StartOptions{}))
				is := must.Get(r.cli.ContainerInspect(ctx, c.ID))(t)
				got, _, err := addrOn(is.NetworkSettings.Networks, made.ID)
				if want := lowestFree(before, got); err != nil || got != want {
					t.Errorf("container %d is at %s, not %s (%v)", i, got, want, err)
				}
			}
		})
	}
}
