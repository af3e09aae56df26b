package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/netsplit/netsplit/faults"
)

// Labels that docker-compose puts on containers.
const (
	composeService = "com.docker.compose.service"
	composeNumber  = "com.docker.compose.container-number"
)

// maxNode is the longest name of a node that is made from the name of a container.
const maxNode = 40

// Selector says which containers to attach to: those that have all of the labels, if there are any, and those with one of
// the names. All must be running.
type Selector struct {
	Labels []string // "KEY=VALUE" or "KEY"
	Names  []string // whole names, or ids of at least 12 digits
}

// guest is a container that something else started.
type guest struct {
	id         faults.NodeID
	role       string
	name       string // of the container
	full       string // the container's id
	addr       netip.Addr
	fixed      bool // it gets that address again when it is started
	autoRemove bool // the engine removes it when it ends
	console    bool // its log is one raw stream
}

// selected returns the containers that the selector picks out of all. Its errors are *MisfitError.
func (s Selector) selected(all []container.Summary) ([]container.Summary, error) {
	if len(s.Labels) == 0 && len(s.Names) == 0 {
		return nil, misfit("", "neither a label nor a name was given")
	}
	out, err := s.labelled(all)
	if err != nil {
		return nil, err
	}
	for _, name := range s.Names {
		i := slices.IndexFunc(all, func(c container.Summary) bool { return isNamed(c, name) })
		switch {
		case i < 0:
			return nil, misfit(nameHint(all, name), "no container is named %s", name)
		case isOurs(all[i]):
			return nil, misfit("netsplit fault and status work on it with --testnet "+all[i].Labels[labelTestnet],
				"container %s is netsplit's own, of testnet %s", name, all[i].Labels[labelTestnet])
		case all[i].State != container.StateRunning:
			return nil, misfit(wakeHint(all[i:i+1]), "container %s is %s, not running", name, all[i].State)
		}
		if !slices.ContainsFunc(out, func(c container.Summary) bool { return c.ID == all[i].ID }) {
			out = append(out, all[i])
		}
	}
	slices.SortFunc(out, func(a, b container.Summary) int { return compareNames(nameOf(a), nameOf(b)) })
	return out, nil
}

// labelled returns the containers that have all of the labels; none where there are no labels. One that does not run is an
// error: it may be a node of the network, with a share of its power, and the rest would be judged as if it were not.
func (s Selector) labelled(all []container.Summary) ([]container.Summary, error) {
	if len(s.Labels) == 0 {
		return nil, nil
	}
	var running, idle []container.Summary
	for _, c := range all {
		switch {
		case isOurs(c) || !hasLabels(c, s.Labels):
		case c.State == container.StateRunning:
			running = append(running, c)
		default:
			idle = append(idle, c)
		}
	}
	label := strings.Join(s.Labels, " and ")
	switch {
	case len(running)+len(idle) == 0:
		return nil, misfit(labelHint(all, s.Labels), "no container has label %s", label)
	case len(running) == 0:
		return nil, misfit(wakeHint(idle), "no container with label %s runs: %s", label, states(idle))
	case len(idle) > 0:
		return nil, misfit(wakeHint(idle)+"; or attach to some by their names: --attach "+strings.Join(namesOf(running), ","),
			"not all containers with label %s run: %s; nodes that are down would count for nothing", label, states(idle))
	}
	return running, nil
}

// isOurs reports whether netsplit made a container.
func isOurs(c container.Summary) bool { return c.Labels[labelTestnet] != "" }

func hasLabels(c container.Summary, labels []string) bool {
	return !slices.ContainsFunc(labels, func(l string) bool {
		key, want, valued := strings.Cut(l, "=")
		got, there := c.Labels[key]
		return !there || valued && got != want
	})
}

func isNamed(c container.Summary, name string) bool {
	name = strings.TrimPrefix(name, "/")
	return slices.Contains(c.Names, "/"+name) || len(name) >= 12 && strings.HasPrefix(c.ID, name)
}

// compareNames orders names so that node-2 comes before node-10.
func compareNames(a, b string) int {
	stem := func(s string) (string, int) {
		head := strings.TrimRight(s, "0123456789")
		return head, len(s) - len(head)
	}
	ha, na := stem(a)
	hb, nb := stem(b)
	if ha == hb && na != nb {
		return na - nb
	}
	return strings.Compare(a, b)
}

// named gives every container the name of a node: a compose service and its number where that is unambiguous, else the
// container's own name, in the letters that nodes' names have.
func named(list []container.Summary) ([]guest, error) {
	services := map[string]int{}
	for _, c := range list {
		services[serviceOf(c)]++
	}
	out := make([]guest, len(list))
	taken := map[faults.NodeID]string{}
	for i, c := range list {
		g := guest{name: nameOf(c), full: c.ID}
		base := serviceOf(c)
		g.role = nodeName(c.Labels[composeService])
		if base == "" || services[base] > 1 {
			base = g.name
		}
		g.id = faults.NodeID(nodeName(base))
		if g.role == "" {
			g.role = string(g.id)
		}
		if other, ok := taken[g.id]; ok || g.id == "" {
			return nil, misfit("rename one", "containers %q and %q would both be node %q", other, g.name, g.id)
		}
		taken[g.id] = g.name
		out[i] = g
	}
	return out, nil
}

// serviceOf is a container's compose service and number; empty for one that compose did not start.
func serviceOf(c container.Summary) string {
	if c.Labels[composeService] == "" || c.Labels[composeNumber] == "" {
		return ""
	}
	return c.Labels[composeService] + "-" + c.Labels[composeNumber]
}

// nodeName makes a name of a-z, 0-9 and - of another.
func nodeName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	// What tells containers apart is mostly at the end of their names.
	return strings.Trim(s[max(0, len(s)-maxNode):], "-")
}

// common returns the id of the one network that all containers are on, the one of that name if it is given. Its errors are
// *MisfitError.
func common(list []container.Summary, name string) (string, error) {
	on := map[string]string{} // networks that all are on so far: id to name
	for i, c := range list {
		mine, err := networksOf(c)
		if err != nil {
			return "", err
		}
		if i == 0 {
			on = mine
			continue
		}
		for id := range on {
			if _, ok := mine[id]; !ok {
				delete(on, id)
			}
		}
	}
	var names []string
	for id, n := range on {
		if n == name || name != "" && len(name) >= 12 && strings.HasPrefix(id, name) {
			return id, nil
		}
		names = append(names, n)
	}
	slices.Sort(names)
	switch {
	case name != "":
		hint := "they share: " + orNone(names)
		if near := faults.Nearest(name, names); near != "" {
			hint = "did you mean --network " + near + "?"
		}
		return "", misfit(hint, "not all of the containers are on network %s", name)
	case len(on) == 0:
		return "", misfit("", "the containers share no network: %s", whereAll(list))
	case len(on) > 1:
		return "", misfit("choose one with --network", "the containers share %d networks (%s)", len(on), strings.Join(names, ", "))
	}
	for id := range on {
		return id, nil
	}
	return "", nil
}

// networksOf returns the networks on which a container has an IPv4 address, by id.
func networksOf(c container.Summary) (map[string]string, error) {
	switch mode := c.HostConfig.NetworkMode; {
	case mode == "host":
		return nil, misfit("give it a bridge network", "container %s uses the host's network, which cannot be split", nameOf(c))
	case mode == "none":
		return nil, misfit("give it a bridge network", "container %s has no network", nameOf(c))
	case strings.HasPrefix(mode, "container:"):
		return nil, misfit("attach to that one", "container %s lives in another container's network", nameOf(c))
	}
	out := map[string]string{}
	if c.NetworkSettings != nil {
		for name, e := range c.NetworkSettings.Networks {
			if e != nil && e.IPAddress != "" {
				out[e.NetworkID] = name
			}
		}
	}
	if len(out) == 0 {
		return nil, misfit("", "container %s has no IPv4 address", nameOf(c))
	}
	return out, nil
}

func whereAll(list []container.Summary) string {
	var where []string
	for _, c := range list {
		nets, err := networksOf(c)
		if err != nil {
			continue // it was an error before
		}
		var names []string
		for _, n := range nets {
			names = append(names, n)
		}
		slices.Sort(names)
		where = append(where, nameOf(c)+" is on "+strings.Join(names, ", "))
	}
	return strings.Join(where, "; ")
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// bridgeOf returns the name of a network's bridge on this host.
func bridgeOf(n network.Inspect) (string, error) {
	switch {
	case n.Driver != "bridge":
		return "", misfit("faults need a bridge of this host", "network %s is of driver %s", n.Name, n.Driver)
	case n.EnableIPv6:
		return "", misfit("switch IPv6 off there", "network %s carries IPv6 too, which faults would not touch", n.Name)
	case n.Options["com.docker.network.bridge.name"] != "":
		return n.Options["com.docker.network.bridge.name"], nil
	case len(n.ID) < 12:
		return "", fmt.Errorf("network %s has the strange id %q", n.Name, n.ID)
	}
	return "br-" + n.ID[:12], nil
}

// addrOn returns a container's address on a network.
func addrOn(nets map[string]*network.EndpointSettings, id string) (netip.Addr, error) {
	for _, e := range nets {
		if e != nil && e.NetworkID == id {
			return netip.ParseAddr(e.IPAddress)
		}
	}
	return netip.Addr{}, errors.New("it is no longer on the network")
}

// fixedOn reports whether a container was given its address on a network, and so gets it again when it is started.
func fixedOn(nets map[string]*network.EndpointSettings, id string) bool {
	for _, e := range nets {
		if e != nil && e.NetworkID == id {
			return e.IPAMConfig != nil && e.IPAMConfig.IPv4Address != ""
		}
	}
	return false
}
