package docker

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/ci/must"
)

// summary describes a running container with labels "k=v" on networks "name=address".
func summary(name, labels string, nets ...string) container.Summary {
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
	dead, frozen := summary("dead", "app=z"), summary("frozen", "app=z zone=c")
	dead.State, frozen.State = "exited", "paused"
	all := []container.Summary{
		summary("n-10", "app=x zone=a"), summary("n-2", "app=x zone=b"), dead, frozen, summary("other", ""),
		summary("ours", "app=x mine "+labelTestnet+"=t-1"), summary("n-3", "app=z zone=d"),
		summary("p_val_1", composeProject+"=prj "+composeService+"=val"),
	}
	for _, c := range []struct {
		sel              Selector
		want, fail, hint string
	}{
		{Selector{}, "", "neither", ""},
		{Selector{Labels: []string{"app=x"}}, "n-2 n-10", "", ""},
		{Selector{Labels: []string{"app", "zone=b"}}, "n-2", "", ""},
		{Selector{Labels: []string{"app=x", "zone=a"}}, "n-10", "", ""},
		{Selector{Labels: []string{"app=q"}}, "", "no container has label app=q", "values of app that containers have: x, z"},
		{Selector{Labels: []string{composeProject + "=prjj"}}, "", "no container has label", "did you mean " + composeProject + "=prj?"},
		{Selector{Labels: []string{"zone=west"}}, "", "no container has label zone=west", "values of zone that containers have: a, b, c, d"},
		{Selector{Labels: []string{"zones=a"}}, "", "no container has label", "did you mean the label zone?"},
		{Selector{Labels: []string{"mine"}}, "", "no container has label mine", "compose projects here, by the label " + composeProject + ": prj"},
		{Selector{Labels: []string{"app=z", "zone=a"}}, "", "label app=z and zone=a", "must have all"},
		// A node that is down has a share of the power, whether we see it or not.
		{Selector{Labels: []string{"app=z"}}, "", "not all containers with label app=z run: dead is exited, frozen is paused",
			"docker start dead, or docker rm those that are no nodes; docker unpause frozen; or attach to some by their names: --attach n-3"},
		{Selector{Labels: []string{"zone=c"}}, "", "no container with label zone=c runs: frozen is paused", "docker unpause frozen"},
		{Selector{Names: []string{"other", "/n-2", "other"}}, "n-2 other", "", ""},
		{Selector{Names: []string{strings.Repeat("other", 12)[:12]}}, "other", "", ""},
		{Selector{Names: []string{"othre"}}, "", "no container is named othre", "did you mean other?"},
		{Selector{Names: []string{"10"}}, "", "no container is named 10", "did you mean n-10?"},
		{Selector{Names: []string{"prj"}}, "", "no container is named prj", "did you mean --attach " + composeProject + "=prj"},
		{Selector{Names: []string{"val"}}, "", "no container is named val", "did you mean p_val_1?"},
		{Selector{Names: []string{"elsewhere"}}, "", "no container is named elsewhere", "containers that run: n-2, n-3, n-10, other, p_val_1"},
		{Selector{Names: []string{"dead"}}, "", "is exited", "docker start dead"},
		{Selector{Names: []string{"ours"}}, "", "netsplit's own, of testnet t-1", "--testnet t-1"},
		{Selector{Labels: []string{"zone=a"}, Names: []string{"other", "n-10"}}, "n-10 other", "", ""},
	} {
		got, err := c.sel.selectFrom(all)
		var names []string
		for _, g := range got {
			names = append(names, nameOf(g))
		}
		if strings.Join(names, " ") != c.want || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%+v: %v, %v", c.sel, names, err)
		}
		var bad *IncompatibleError
		if err != nil && (!errors.As(err, &bad) || !strings.Contains(bad.Hint(), c.hint)) {
			t.Errorf("%+v: %T %v, hint %q, want %q", c.sel, err, err, bad.Hint(), c.hint)
		}
	}
	if _, err := (Selector{Labels: []string{"x"}}).selectFrom(all[4:5]); hintOf(err) != "labels that containers have: none" {
		t.Errorf("nothing is labelled: %v, hint %q", err, hintOf(err))
	}
	must.Equal(t, "c1, c2, c3, c4, c5, c6, c7, c8, and 2 more", listed(strings.Fields("c1 c9 c8 c7 c6 c5 c4 c3 c2 c10"), ", "))
}

// hintOf is the hint of an IncompatibleError.
func hintOf(err error) string {
	var bad *IncompatibleError
	if errors.As(err, &bad) {
		return bad.Hint()
	}
	return ""
}

func TestNameNodes(t *testing.T) {
	compose := func(project, service string, n int) container.Summary {
		return summary(fmt.Sprintf("%s_%s_%d", project, service, n), fmt.Sprintf("%s=%s %s=%d", composeService, service, composeNumber, n))
	}
	for _, c := range []struct {
		list []container.Summary
		want string
	}{
		{[]container.Summary{compose("p", "val", 1), compose("p", "val", 2)}, "val-1:val val-2:val"},
		{[]container.Summary{compose("p", "val", 1), compose("q", "val", 1)}, "p-val-1:val q-val-1:val"},
		{[]container.Summary{summary("El.Geth_1", "")}, "el-geth-1:el-geth-1"},
		{[]container.Summary{summary("a_1", ""), summary("a-1", "")}, "error"},
		{[]container.Summary{summary("___", "")}, "error"},
		{[]container.Summary{summary(strings.Repeat("x", 60)+"-end", "")}, strings.Repeat("x", 36) + "-end:" + strings.Repeat("x", 36) + "-end"},
	} {
		got, err := nameNodes(c.list)
		var names []string
		for _, g := range got {
			names = append(names, fmt.Sprintf("%s:%s", g.node, g.role))
		}
		if err != nil {
			names = []string{"error"}
		}
		if strings.Join(names, " ") != c.want {
			t.Errorf("%v, want %s (%v)", names, c.want, err)
		}
	}
}

func TestCommonNetwork(t *testing.T) {
	mode := func(m string) container.Summary {
		c := summary("m", "", "a=10.0.0.1")
		c.HostConfig.NetworkMode = m
		return c
	}
	for _, c := range []struct {
		list                   []container.Summary
		name, want, fail, hint string
	}{
		{[]container.Summary{summary("x", "", "a=10.0.0.1"), summary("y", "", "a=10.0.0.2", "b=10.1.0.1")}, "", "id-of-a", "", ""},
		{[]container.Summary{summary("x", "", "a=1.1.1.1"), summary("y", "", "b=1.1.1.1")}, "", "", "share no network: x is on a; y is on b", ""},
		{[]container.Summary{summary("x", "", "a=1.1.1.1", "b=1.1.1.2")}, "", "", "share 2 networks (a, b)", "choose one with --network"},
		{[]container.Summary{summary("x", "", "a=1.1.1.1", "b=1.1.1.2")}, "b", "id-of-b", "", ""},
		{[]container.Summary{summary("x", "", "a=1.1.1.1")}, "c", "", "not all of the containers are on network c", "they share: a"},
		{[]container.Summary{summary("x", "", "mynet=1.1.1.1")}, "mynte", "", "network mynte", "did you mean --network mynet?"},
		{[]container.Summary{summary("x", "", "a=")}, "", "", "no IPv4 address", ""},
		{[]container.Summary{mode("host")}, "", "", "host's network", "give it a bridge network"},
		{[]container.Summary{mode("none")}, "", "", "has no network", "give it a bridge network"},
		{[]container.Summary{mode("container:1234")}, "", "", "another container's network", "attach to that one"},
	} {
		got, err := commonNetwork(c.list, c.name)
		if got != c.want || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) || hintOf(err) != c.hint {
			t.Errorf("%s %v: %q, %v, hint %q", c.name, c.list, got, err, hintOf(err))
		}
	}
}

func TestBridgeOf(t *testing.T) {
	id := strings.Repeat("0123456789", 6)
	for _, c := range []struct {
		net        network.Inspect
		want, fail string
	}{
		{network.Inspect{ID: id, Driver: "bridge"}, "br-012345678901", ""},
		{network.Inspect{ID: id, Driver: "bridge", Options: map[string]string{"com.docker.network.bridge.name": "docker0"}}, "docker0", ""},
		{network.Inspect{ID: id, Driver: "overlay"}, "", "driver overlay"},
		{network.Inspect{ID: id, Driver: "bridge", EnableIPv6: true}, "", "IPv6"},
		{network.Inspect{ID: "x", Driver: "bridge"}, "", "unexpected id"},
	} {
		got, err := bridgeOf(c.net)
		if got != c.want || (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%+v: %q, %v", c.net, got, err)
		}
	}
}
