package docker

import (
	"context"
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
	composeProject = "com.docker.compose.project"
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

// attachedContainer is a container that netsplit did not start, and the node that it is.
type attachedContainer struct {
	node       faults.NodeID
	role       string
	name       string
	id         string
	addr       netip.Addr
	fixed      bool   // it gets that address again when it is started
	autoRemove bool   // the engine removes it when it ends
	tty        bool   // its log is one raw stream
	logDriver  string // the log driver where the engine cannot read the log; else empty
}

// IncompatibleError is returned for containers, a network or faults that the user named and that cannot be attached to,
// or not in that way. Nothing was changed, and the engine works.
type IncompatibleError struct {
	msg, hint string
}

func incompatible(hint, format string, args ...any) error {
	return &IncompatibleError{msg: fmt.Sprintf(format, args...), hint: hint}
}

// Error implements error.
func (e *IncompatibleError) Error() string { return e.msg }

// Hint returns what to do; it may be empty.
func (e *IncompatibleError) Hint() string { return e.hint }

// selectFrom returns the containers that the selector picks out of all. Its errors are *IncompatibleError.
func (s Selector) selectFrom(all []container.Summary) ([]container.Summary, error) {
	if len(s.Labels) == 0 && len(s.Names) == 0 {
		return nil, incompatible("", "neither a label nor a name was given")
	}
	out, err := s.byLabels(all)
	if err != nil {
		return nil, err
	}
	for _, name := range s.Names {
		i := slices.IndexFunc(all, func(c container.Summary) bool { return isNamed(c, name) })
		switch {
		case i < 0:
			return nil, incompatible(nameHint(all, name), "no container is named %s", name)
		case isOurs(all[i]):
			return nil, incompatible("netsplit fault and status work on it with --testnet "+all[i].Labels[labelTestnet],
				"container %s is netsplit's own, of testnet %s", name, all[i].Labels[labelTestnet])
		case all[i].State != container.StateRunning:
			return nil, incompatible(startHint(all[i:i+1]), "container %s is %s, not running", name, all[i].State)
		}
		if !slices.ContainsFunc(out, func(c container.Summary) bool { return c.ID == all[i].ID }) {
			out = append(out, all[i])
		}
	}
	slices.SortFunc(out, func(a, b container.Summary) int { return compareNames(nameOf(a), nameOf(b)) })
	return out, nil
}

// byLabels returns the containers that have all of the labels; none where there are no labels. One that does not run is an
// error: it may be a node of the network, with a share of its power, which the verdicts would not take into account.
func (s Selector) byLabels(all []container.Summary) ([]container.Summary, error) {
	if len(s.Labels) == 0 {
		return nil, nil
	}
	var running, stopped []container.Summary
	for _, c := range all {
		switch {
		case isOurs(c) || !hasLabels(c, s.Labels):
		case c.State == container.StateRunning:
			running = append(running, c)
		default:
			stopped = append(stopped, c)
		}
	}
	label := strings.Join(s.Labels, " and ")
	switch {
	case len(running)+len(stopped) == 0:
		return nil, incompatible(labelHint(all, s.Labels), "no container has label %s", label)
	case len(running) == 0:
		return nil, incompatible(startHint(stopped), "no container with label %s runs: %s", label, describeStates(stopped))
	case len(stopped) > 0:
		return nil, incompatible(startHint(stopped)+"; or attach to some by their names: --attach "+strings.Join(namesOf(running), ","),
			"not all containers with label %s run: %s; nodes that are down would not be counted", label, describeStates(stopped))
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

// nameNodes gives every container the name of a node: a compose service and its number where that is unambiguous, else the
// container's own name, in the letters that nodes' names have.
func nameNodes(list []container.Summary) ([]attachedContainer, error) {
	services := map[string]int{}
	for _, c := range list {
		services[serviceOf(c)]++
	}
	out := make([]attachedContainer, len(list))
	taken := map[faults.NodeID]string{}
	for i, c := range list {
		g := attachedContainer{name: nameOf(c), id: c.ID}
		base := serviceOf(c)
		g.role = nodeName(c.Labels[composeService])
		if base == "" || services[base] > 1 {
			base = g.name
		}
		g.node = faults.NodeID(nodeName(base))
		if g.role == "" {
			g.role = string(g.node)
		}
		if other, ok := taken[g.node]; ok || g.node == "" {
			return nil, incompatible("rename one", "containers %q and %q would both be node %q", other, g.name, g.node)
		}
		taken[g.node] = g.name
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
	// The names of containers mostly differ at the end.
	return strings.Trim(s[max(0, len(s)-maxNode):], "-")
}

// commonNetwork returns the id of the one network that all containers are on, the one of that name if it is given. Its errors are
// *IncompatibleError.
func commonNetwork(list []container.Summary, name string) (string, error) {
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
		return "", incompatible(hint, "not all of the containers are on network %s", name)
	case len(on) == 0:
		return "", incompatible("", "the containers share no network: %s", networkNames(list))
	case len(on) > 1:
		return "", incompatible("choose one with --network", "the containers share %d networks (%s)", len(on), strings.Join(names, ", "))
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
		return nil, incompatible("give it a bridge network", "container %s uses the host's network, which cannot be split", nameOf(c))
	case mode == "none":
		return nil, incompatible("give it a bridge network", "container %s has no network", nameOf(c))
	case strings.HasPrefix(mode, "container:"):
		return nil, incompatible("attach to that one", "container %s is in another container's network", nameOf(c))
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
		return nil, incompatible("", "container %s has no IPv4 address", nameOf(c))
	}
	return out, nil
}

func networkNames(list []container.Summary) string {
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
		return "", incompatible("faults need a bridge of this host", "network %s is of driver %s", n.Name, n.Driver)
	case n.EnableIPv6:
		return "", incompatible("switch IPv6 off there", "network %s carries IPv6 too, which faults would not touch", n.Name)
	case n.Options["com.docker.network.bridge.name"] != "":
		return n.Options["com.docker.network.bridge.name"], nil
	case len(n.ID) < 12:
		return "", fmt.Errorf("network %s has the unexpected id %q", n.Name, n.ID)
	}
	return "br-" + n.ID[:12], nil
}

// attachEngine is what finding out about a container needs of the engine.
type attachEngine interface {
	inspector
	logSource
}

// inspect completes what is known about a container.
func (c *attachedContainer) inspect(ctx context.Context, e attachEngine, net string) error {
	is, err := e.ContainerInspect(ctx, c.id)
	if err != nil {
		return err
	}
	c.autoRemove = is.HostConfig != nil && is.HostConfig.AutoRemove
	c.tty = is.Config != nil && is.Config.Tty
	if log, err := e.ContainerLogs(ctx, c.id, container.LogsOptions{ShowStdout: true, Tail: "1"}); err == nil {
		log.Close()
	} else if is.HostConfig != nil {
		c.logDriver = is.HostConfig.LogConfig.Type
	}
	c.addr, c.fixed, err = addrOn(is.NetworkSettings.Networks, net)
	return err
}

// addrOn returns a container's address on a network, and whether it was given to the container, which then gets it again
// when it is started.
func addrOn(nets map[string]*network.EndpointSettings, id string) (addr netip.Addr, fixed bool, err error) {
	for _, e := range nets {
		if e != nil && e.NetworkID == id {
			addr, err = netip.ParseAddr(e.IPAddress)
			return addr, e.IPAMConfig != nil && e.IPAMConfig.IPv4Address != "", err
		}
	}
	return netip.Addr{}, false, errors.New("it is no longer on the network")
}

// maxListed is the most names that a hint lists.
const maxListed = 8

// nameHint returns which containers may have been meant by a name that none has.
func nameHint(all []container.Summary, name string) string {
	var names, within []string
	for _, c := range all {
		if isOurs(c) {
			continue
		}
		if c.Labels[composeProject] == name {
			return fmt.Sprintf("did you mean --attach %s=%s, the compose project?", composeProject, name)
		}
		n := nameOf(c)
		if strings.Contains(n, name) || c.Labels[composeService] == name {
			within = append(within, n)
		}
		if c.State == container.StateRunning {
			names = append(names, n)
		}
	}
	if len(within) > 0 {
		return "did you mean " + listed(within, " or ") + "?"
	}
	if near := faults.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "containers that run: " + listed(names, ", ")
}

// labelHint returns which labels may have been meant by some that no container has together.
func labelHint(all []container.Summary, labels []string) string {
	values := map[string][]string{} // of labels by their keys
	var keys []string
	for _, c := range all {
		if isOurs(c) {
			continue
		}
		for k, v := range c.Labels {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
			if !slices.Contains(values[k], v) {
				values[k] = append(values[k], v)
			}
		}
	}
	slices.Sort(keys)
	for _, label := range labels {
		key, want, valued := strings.Cut(label, "=")
		there := values[key]
		switch {
		case len(there) == 0:
			return keyHint(key, keys, values[composeProject])
		case valued && !slices.Contains(there, want):
			if near := faults.Nearest(want, there); near != "" {
				return fmt.Sprintf("did you mean %s=%s?", key, near)
			}
			return fmt.Sprintf("values of %s that containers have: %s", key, listed(there, ", "))
		}
	}
	return "a container must have all of the labels"
}

// keyHint returns which label may have been meant by a key that no container has.
func keyHint(key string, keys, projects []string) string {
	switch near := faults.Nearest(key, keys); {
	case near != "":
		return fmt.Sprintf("did you mean the label %s?", near)
	case len(projects) > 0:
		return fmt.Sprintf("compose projects here, by the label %s: %s", composeProject, listed(projects, ", "))
	}
	return "labels that containers have: " + listed(keys, ", ")
}

// startHint is what to do about containers that do not run.
func startHint(stopped []container.Summary) string {
	var start, unpause []string
	for _, c := range stopped {
		if c.State == container.StatePaused {
			unpause = append(unpause, nameOf(c))
			continue
		}
		start = append(start, nameOf(c))
	}
	var do []string
	if len(start) > 0 {
		do = append(do, "docker start "+strings.Join(start, " ")+", or docker rm those that are no nodes")
	}
	if len(unpause) > 0 {
		do = append(do, "docker unpause "+strings.Join(unpause, " "))
	}
	return strings.Join(do, "; ")
}

// describeStates lists containers with their states.
func describeStates(list []container.Summary) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%s is %s", nameOf(c), c.State))
	}
	return listed(out, ", ")
}

func namesOf(list []container.Summary) []string {
	var out []string
	for _, c := range list {
		out = append(out, nameOf(c))
	}
	slices.SortFunc(out, compareNames)
	return out
}

// listed joins names, in order, and leaves most of a long list out.
func listed(names []string, sep string) string {
	names = slices.SortedFunc(slices.Values(names), compareNames)
	if over := len(names) - maxListed; over > 0 {
		names = append(names[:maxListed:maxListed], fmt.Sprintf("and %d more", over))
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, sep)
}
