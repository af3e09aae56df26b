package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/chain"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/report"
	"github.com/netsplit/netsplit/orchestrator/run"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/orchestrator/runtime/docker"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/scenario"
)

// externalNodes are containers that netsplit did not start: the test does, with the engine's own client. They run toychain, and
// their nodes are val-1, val-2 ... All make blocks, about three a second together where there are four.
// At the end of the test they must be what they were.
type externalNodes struct {
	t      *testing.T
	engine *client.Client
	who    string // value of the label "external-nodes", and the network's name
	ids    []string
	file   string     // chain file
	first  netip.Addr // of val-1
	before []string
}

// makeInterval is the time between blocks of one node in the chain file of externalNodes: 0.9 s, 1.1 s ...
const makeInterval = "{{add 900 (mul .Node.Index 200)}}ms"

// startExternalNodes starts a network of nodes, with pieces of their chain file replaced, in pairs.
func startExternalNodes(t *testing.T, n int, topology string, replace ...string) *externalNodes {
	t.Helper()
	needDocker(t)
	t.Parallel()
	engine := must.Get(client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation()))(t)
	c := &externalNodes{t: t, engine: engine, who: fmt.Sprintf("external-%d-%d", os.Getpid(), time.Now().UnixNano()%1e9)}
	t.Cleanup(c.remove)
	subnet := c.network()
	spec := must.Get(scenario.Parse("external.yaml", fmt.Appendf(nil, `
name: external
nodes: [{name: val, count: %d, mine: 100/s}]
topology: {%s: }
consensus: {pow: {block_interval: 1s}}
duration: 1s
`, n, topology)))(t)
	var hosts []runtime.Host
	for i, info := range spec.NodeIDs() {
		b := subnet.Addr().As4()
		b[3] = byte(11 + i)
		hosts = append(hosts, runtime.Host{ID: info.ID, Addr: netip.AddrFrom4(b)})
	}
	net := must.Get(run.NewNetwork(c.who, spec, hosts, time.Now()))(t)
	c.first = hosts[0].Addr
	for i, p := range c.prepare(net, replace) {
		c.start(net.Nodes[i], p)
	}
	c.before = c.state()
	return c
}

// network makes the nodes' network, on a subnet that is free.
func (c *externalNodes) network() netip.Prefix {
	c.t.Helper()
	var err error
	for range 20 {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(200 + rand.IntN(50)), byte(rand.IntN(250)), 0}), 24)
		if _, err = c.engine.NetworkCreate(c.t.Context(), c.who, network.CreateOptions{
			Driver: "bridge", IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.String()}}}, Labels: docker.TestLabels(),
		}); err == nil {
			return subnet
		}
	}
	c.t.Fatal(err)
	return netip.Prefix{}
}

// prepare makes keys and files, as netsplit does for nodes of its own.
func (c *externalNodes) prepare(net chain.Network, replace []string) []chain.PreparedNode {
	c.t.Helper()
	src := strings.NewReplacer("{{if eq .Node.Index 0}}100ms{{else}}0s{{end}}", makeInterval, "block_interval: 100ms", "block_interval: 300ms").Replace(toychain)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(src, replace[i]) {
			c.t.Fatalf("the chain file has no %s", replace[i])
		}
		src = strings.Replace(src, replace[i], replace[i+1], 1)
	}
	dir := c.t.TempDir()
	c.file = filepath.Join(dir, "external.yaml")
	must.Do(c.t, os.Link(must.Get(buildToychain())(c.t), filepath.Join(dir, "toychain")))
	must.Do(c.t, os.WriteFile(c.file, []byte(src), 0o600))
	file := must.Get(chainspec.Parse(c.file, []byte(src)))(c.t)
	d := must.Get(docker.New(c.t.Context(), docker.Options{}))(c.t)
	defer d.Detach()
	p := must.Get(external.New(file, d, d.Transport(), nil).Prepare(c.t.Context(), net))(c.t)
	return p.Nodes
}

// start starts a node's container.
func (c *externalNodes) start(n chain.Node, p chain.PreparedNode) {
	c.t.Helper()
	service, number, _ := strings.Cut(string(n.ID), "-")
	labels := docker.TestLabels()
	labels["external-nodes"], labels["com.docker.compose.service"], labels["com.docker.compose.container-number"] = c.who, service, number
	made, err := c.engine.ContainerCreate(c.t.Context(), &container.Config{
		Image: p.Image, Cmd: p.Args, Env: p.Env, Labels: labels,
	}, &container.HostConfig{NetworkMode: container.NetworkMode(c.who), Sysctls: p.Sysctls}, &network.NetworkingConfig{
		EndpointsConfig: map[string]*network.EndpointSettings{c.who: {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.Addr.String()}}},
	}, nil, c.name(string(n.ID)))
	must.Do(c.t, err)
	c.ids = append(c.ids, made.ID)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for path, text := range p.Files {
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: 0o600, Size: int64(len(text))}); err != nil {
			c.t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			c.t.Fatal(err)
		}
	}
	must.Do(c.t, w.Close())
	must.Do(c.t, c.engine.CopyToContainer(c.t.Context(), made.ID, "/", &archive, container.CopyToContainerOptions{}))
	must.Do(c.t, c.engine.ContainerStart(c.t.Context(), made.ID, container.StartOptions{}))
}

// name is the name of a node's container.
func (c *externalNodes) name(node string) string { return c.who + "_" + node }

// label selects all the nodes.
func (c *externalNodes) label() string { return "external-nodes=" + c.who }

// state is all that the engine knows of the containers.
func (c *externalNodes) state() []string {
	c.t.Helper()
	var out []string
	for _, id := range c.ids {
		_, raw, err := c.engine.ContainerInspectWithRaw(context.WithoutCancel(c.t.Context()), id, false)
		if err != nil {
			c.t.Error(err)
		}
		out = append(out, string(raw))
	}
	return out
}

// same checks that the containers are what they were.
func (c *externalNodes) same() {
	c.t.Helper()
	for i, now := range c.state() {
		if now != c.before[i] {
			c.t.Errorf("container %d was changed: it was\n%s\nand is\n%s", i+1, c.before[i], now)
		}
	}
}

func (c *externalNodes) remove() {
	ctx := context.WithoutCancel(c.t.Context())
	if c.before != nil {
		c.same()
	}
	for _, id := range c.ids {
		if err := c.engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}); err != nil {
			c.t.Error(err)
		}
	}
	if err := c.engine.NetworkRemove(ctx, c.who); err != nil {
		c.t.Error(err)
	}
	if err := c.engine.Close(); err != nil {
		c.t.Error(err)
	}
}

// run runs a scenario on the containers. It returns the exit code, standard error, and the report, nil where the
// schedule never began.
func (c *externalNodes) run(scenario string, args ...string) (int, string, *report.Report) {
	c.t.Helper()
	dir := c.t.TempDir()
	file, out := filepath.Join(dir, "scenario.yaml"), filepath.Join(dir, "run")
	must.Do(c.t, os.WriteFile(file, []byte(scenario), 0o600))
	var stdout, stderr bytes.Buffer
	code := execute(c.t.Context(), &env{stdout: &stdout, stderr: &stderr}, openDocker, append([]string{"netsplit", "run", file, "--chain", c.file, "--out", out, "--json"}, args...))
	rep := new(report.Report)
	if err := json.Unmarshal(stdout.Bytes(), rep); err != nil || !rep.Began {
		rep = nil
	} else {
		for _, r := range rep.Results {
			c.t.Logf("%s %s: %s %s", r.Invariant, r.Verdict, r.Figure, r.Reason)
		}
	}
	return code, stderr.String(), rep
}

// attachedRun starts a run of a scenario on the containers, in a process of its own that can be killed. Its standard error is shown when
// the test fails.
func (c *externalNodes) attachedRun(file, out string) *exec.Cmd {
	c.t.Helper()
	exe := must.Get(os.Executable())(c.t)
	var said strings.Builder
	cmd := exec.CommandContext(c.t.Context(), exe, "run", file, "--attach", c.label(), "--chain", c.file, "--out", out)
	cmd.Args[0], cmd.Stderr = "netsplit", &said // TestMain goes by the name
	must.Do(c.t, cmd.Start())
	c.t.Cleanup(func() {
		if c.t.Failed() {
			c.t.Log(said.String())
		}
	})
	return cmd
}
