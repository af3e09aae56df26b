package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestNetwork_Internal(t *testing.T) {
	t.Parallel()
	r, hosts := testnet(t, 3, nil, Options{})
	must.Equal(t, "ok", mustGet(t, r, hosts[0], "/healthz"))
	must.Equal(t, "n-2", mustGet(t, r, hosts[1], "/file?path=/etc/netsplit/node.json"))
	must.Equal(t, "deep", mustGet(t, r, hosts[1], "/file?path=/srv/deep/down/file"))
	mustGet(t, r, hosts[2], "/healthz")
	mustGet(t, r, hosts[0], fmt.Sprintf("/dial?addr=%s:8080", hosts[2].Addr))
	must.Fail(t, "")(get(t, r, hosts[0], "/dial?addr=192.0.2.1:80"))
	if want := offset(hosts[0].Addr, 2); hosts[2].Addr != want {
		t.Errorf("third node at %v, want %v", hosts[2].Addr, want)
	}
}

// Nodes reach no service of the host, also none that listens on all addresses; the host reaches nodes, and nodes each other. The
// rule ends with the agent, also with a killed one.
func TestNetwork_ProtectsHost(t *testing.T) {
	t.Parallel()
	r, hosts := testnet(t, 2, nil, Options{})
	mustGet(t, r, hosts[0], "/healthz")
	mustGet(t, r, hosts[1], "/healthz")
	gateway := must.Get(hosts[0].Addr.Prefix(smallest))(t).Addr().Next()
	var targets []string
	for _, addr := range []string{"0.0.0.0:0", gateway.String() + ":0"} {
		l := must.Get(net.Listen("tcp4", addr))(t)
		defer l.Close()
		targets = append(targets, netip.AddrPortFrom(gateway, l.Addr().(*net.TCPAddr).AddrPort().Port()).String())
	}
	var tries sync.WaitGroup
	for _, target := range targets {
		tries.Go(func() { must.Fail(t, "timeout")(get(t, r, hosts[0], "/dial?addr="+target)) })
	}
	tries.Wait()
	mustGet(t, r, hosts[0], fmt.Sprintf("/dial?addr=%s:8080", hosts[1].Addr))
	forwarded := must.Get(r.ForwardPorts(t.Context(), []netip.AddrPort{netip.AddrPortFrom(hosts[0].Addr, runtime.APIPort)}))(t)
	req := must.Get(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+forwarded[0].String()+"/healthz", nil))(t)
	res := must.Get((&http.Client{Transport: r.Transport()}).Do(req))(t)
	res.Body.Close()
	must.Equal(t, http.StatusOK, res.StatusCode)
	must.Do(t, r.cli.ContainerKill(t.Context(), r.faultAgent.container, "KILL"))
	for _, target := range targets {
		mustGet(t, r, hosts[0], "/dial?addr="+target)
	}
}

func TestSink_LinesAndExits(t *testing.T) {
	t.Parallel()
	rec := newRecord()
	r, hosts := testnet(t, 2, rec, Options{})
	id := hosts[0].ID
	total := 10
	for _, verbs := range [][]faults.Verb{{faults.Kill, faults.Start}, {faults.Restart}, {faults.Stop, faults.Start}} {
		mustGet(t, r, hosts[0], "/print?n=500")
		total += 500
		for _, v := range verbs {
			do(t, r, v, id)
		}
		total += 10
		mustGet(t, r, hosts[0], "/healthz")
	}
	mustGet(t, r, hosts[0], "/long?n=100000")
	rec.until(t, "the long line", func() bool { return len(rec.lines[id]) == total+3 })
	var next, byes int
	for _, l := range rec.lines[id] {
		switch {
		case l == fmt.Sprint("line ", next):
			next++
		case l == "bye":
			byes++
		case l == strings.Repeat("x", 100000):
		default:
			t.Fatalf("got %q, want line %d", l, next)
		}
	}
	if next != total || byes != 2 {
		t.Errorf("%d lines and %d byes, want %d and 2", next, byes, total)
	}
	if len(rec.exits[id]) > 0 || len(rec.gaps) > 0 {
		t.Errorf("exits %v, gaps %v", rec.exits, rec.gaps)
	}
	tail, err := r.Logs(t.Context(), id, 2)
	if err != nil || len(tail) != 2 || len(tail[1]) != 100000 {
		t.Errorf("Logs = %.40q, %v", tail, err)
	}

	// The exit of the other node comes after its last line, and lines after it starts again.
	other := hosts[1].ID
	if _, err := get(t, r, hosts[1], "/exit"); err == nil {
		t.Fatal("the node did not exit")
	}
	rec.until(t, "the exit", func() bool { return len(rec.exits[other]) == 1 })
	must.Equal(t, "exited with status 3 after 15 lines", rec.exits[other][0])
	do(t, r, faults.Start, other)
	mustGet(t, r, hosts[1], "/healthz")
	rec.until(t, "lines after the exit", func() bool { return len(rec.lines[other]) == 25 })
}

func TestSink_ExternalActs(t *testing.T) {
	t.Parallel()
	rec := newRecord()
	r, hosts := testnet(t, 5, rec, Options{})
	for _, h := range hosts {
		mustGet(t, r, h, "/healthz")
	}
	name := func(i int) string { return containerName(r.plan.ID, hosts[i].ID) }
	reported := func(i int, want string) {
		t.Helper()
		id := hosts[i].ID
		rec.until(t, want, func() bool { return len(rec.exits[id]) > 0 })
		must.Equal(t, "["+want+"]", fmt.Sprint(rec.exits[id]))
	}
	do(t, r, faults.Pause, hosts[0].ID)
	do(t, r, faults.Resume, hosts[0].ID)
	do(t, r, faults.Pause, hosts[1].ID)
	do(t, r, faults.Kill, hosts[1].ID)
	do(t, r, faults.Start, hosts[1].ID)
	mustGet(t, r, hosts[1], "/healthz")

	must.Do(t, r.VerifyStates(t.Context()))
	must.Do(t, r.cli.ContainerPause(t.Context(), name(0)))
	reported(0, fmt.Sprintf("node %s was paused by somebody else", hosts[0].ID))
	must.Do(t, r.cli.ContainerKill(t.Context(), name(1), "SIGKILL"))
	reported(1, fmt.Sprintf("node %s was killed by somebody else", hosts[1].ID))
	must.Do(t, r.cli.ContainerRemove(t.Context(), name(2), container.RemoveOptions{Force: true}))
	reported(2, fmt.Sprintf("node %s was removed by somebody else", hosts[2].ID))
	must.Do(t, r.cli.NetworkDisconnect(t.Context(), networkName(r.plan.ID), name(3), false))
	reported(3, fmt.Sprintf("node %s was disconnected from its network by somebody else", hosts[3].ID))
	c := must.Get(r.cli.ContainerInspect(t.Context(), name(4)))(t)
	if err := syscall.Kill(c.State.Pid, syscall.SIGKILL); err != nil { // as the kill command of this host does
		t.Skipf("kill a process of a container: %v", err)
	}
	reported(4, fmt.Sprintf("node %s was killed from outside netsplit: %s", hosts[4].ID, externalSignal))
}

func TestShape_NeedsAgent(t *testing.T) {
	t.Parallel()
	r, hosts := testnet(t, 2, nil, Options{Lease: true})
	cut := faults.Rule{From: []faults.NodeID{hosts[0].ID}, To: []faults.NodeID{hosts[1].ID}, Cut: true}
	must.Get(r.Shape(t.Context(), []faults.Layer{{ID: "p", Links: faults.Links{Rules: []faults.Rule{cut}}}}))(t)
	mustGet(t, r, hosts[1], "/healthz") // control traffic passes through no fault
	if traffic, err := r.Traffic(t.Context()); err != nil || traffic.Lost != 0 {
		t.Errorf("Traffic = %+v, %v", traffic, err)
	}
	if got := r.Info(t.Context()).Text; !strings.Contains(got, ", nft") {
		t.Errorf("Info = %q", got)
	}
	must.Do(t, r.cli.ContainerKill(t.Context(), r.faultAgent.container, "KILL"))
	must.Fail(t, "agent is dead")(r.Shape(t.Context(), nil))
}

func TestOpenListRemove(t *testing.T) {
	t.Parallel()
	r, hosts := testnet(t, 2, nil, Options{})
	id := r.plan.ID
	must.Do(t, r.Detach())
	must.Fail(t, ErrClosed)(r.Launch(t.Context(), nil, nil))
	a := must.Get(Open(t.Context(), id))(t)
	do(t, a, faults.Pause, hosts[0].ID)
	if _, err := a.Shape(t.Context(), []faults.Layer{{ID: "x"}}); err != nil {
		t.Error(err)
	}
	mustGet(t, a, hosts[1], "/healthz")
	nodes, err := a.Hosts(t.Context())
	if err != nil || len(nodes) != 2 || nodes[0].State != "paused" || nodes[0].Addr != hosts[0].Addr || nodes[1].Role != "n" {
		t.Errorf("Hosts = %v, %v", nodes, err)
	}
	must.Do(t, a.Detach())
	found := ours(t, id)
	if found == nil || found.Agent != "running" || found.Scenario != "test" || found.Dir != r.plan.Dir || time.Since(found.Created) > time.Minute {
		t.Errorf("List: %+v", found)
	}
	must.Do(t, Remove(t.Context(), id))
	if ours(t, id) != nil {
		t.Error("still listed")
	}
	if _, err := os.Stat(filepath.Dir(r.faultAgent.socket)); !os.IsNotExist(err) {
		t.Errorf("socket directory: %v", err)
	}
	must.Fail(t, ErrNotFound)(Remove(t.Context(), id))
}

func ours(t *testing.T, id string) *Testnet {
	t.Helper()
	all := must.Get(List(t.Context()))(t)
	for _, n := range all {
		if n.ID == id {
			return &n
		}
	}
	return nil
}

func TestClose_DuringLaunch(t *testing.T) {
	t.Parallel()
	r, hosts := created(t, 12, nil, Options{})
	first := make(chan struct{}, len(hosts))
	launched := make(chan error, 1)
	go func() {
		launched <- r.Launch(t.Context(), launches(hosts), func(faults.NodeID) { first <- struct{}{} })
	}()
	select {
	case <-first:
	case err := <-launched:
		t.Fatalf("launch ended before its first node: %v", err)
	}
	must.Check(t, r.Close(t.Context()))
	<-launched // it may have been done already
	if left := ours(t, r.plan.ID); left != nil {
		t.Errorf("left: %+v", left)
	}
	must.Fail(t, ErrClosed)(r.Create(t.Context(), runtime.Plan{}))
}

func TestCreate_CancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	needDocker(t)
	r := must.Get(New(t.Context(), Options{}))(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	plan := testPlan(t, 3, nil)
	must.Fail(t, "")(r.Create(ctx, plan))
	must.Check(t, r.Close(ctx))
	if left := ours(t, plan.ID); left != nil {
		t.Errorf("left: %+v", left)
	}
}

func TestCreate_Concurrent(t *testing.T) {
	t.Parallel()
	needDocker(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			r, err := New(t.Context(), Options{})
			if err != nil {
				t.Error(err)
				return
			}
			plan := testPlan(t, 2, nil)
			_, err = r.Create(t.Context(), plan)
			must.Check(t, errors.Join(err, r.Close(t.Context())))
		})
	}
	wg.Wait()
}

// Nodes that cannot be launched are named, with the reason; nothing is done to a node before its launch.
func TestLaunch_Errors(t *testing.T) {
	t.Parallel()
	r, hosts := created(t, 3, nil, Options{})
	for _, v := range []faults.Verb{faults.Start, faults.Kill} {
		must.Fail(t, runtime.ErrState)(r.Do(t.Context(), faults.Action{Verb: v, Node: hosts[0].ID}))
	}
	for _, c := range []struct {
		name, want string
		launch     runtime.Launch
	}{
		{"relative path", "absolute", runtime.Launch{ID: hosts[0].ID, Files: map[string][]byte{"relative": nil}}},
		{"missing image", "docker pull", runtime.Launch{ID: hosts[1].ID, Image: "netsplit-no-such-image:1"}},
		{"launched before", runtime.ErrState.Error(), runtime.Launch{ID: hosts[1].ID}},
		{"unknown node", "no node nobody", runtime.Launch{ID: "nobody"}},
	} {
		var ne *runtime.NodeError
		err := r.Launch(t.Context(), []runtime.Launch{c.launch}, nil)
		if !errors.As(err, &ne) || ne.Node != c.launch.ID || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	must.Fail(t, "docker pull")(r.BuildImage(t.Context(), runtime.ImageSource{Ref: "netsplit-no-such-image:1"}, nil))
}

func TestCreate_MissingImage(t *testing.T) {
	t.Parallel()
	r := open(t, Options{Image: "netsplit/nowhere:none"})
	must.Fail(t, "not on this machine")(r.Create(t.Context(), testPlan(t, 1, nil)))
}

func TestLaunch_ExternalImage(t *testing.T) {
	t.Parallel()
	sink := newRecord()
	r, hosts := created(t, 2, sink, Options{})
	ref := helperImage(t, r)
	var nodes []runtime.Launch
	for _, h := range hosts {
		nodes = append(nodes, runtime.Launch{ID: h.ID, Image: ref, Args: []string{"serve"}, Env: []string{"WHO=" + string(h.ID)}, Files: map[string][]byte{
			"/home/x/config.toml": []byte("a"), "/home/x/node_key.json": []byte("b"),
		}})
	}
	must.Do(t, r.Launch(t.Context(), nodes, nil))
	for _, h := range hosts {
		if got := mustGet(t, r, h, "/env?name=WHO"); got != string(h.ID) {
			t.Errorf("WHO = %q", got)
		}
		for name, mode := range map[string]string{"/home": "drwxr-xr-x", "/home/x": "drwxr-xr-x", "/home/x/config.toml": "-rw-r--r--", "/home/x/node_key.json": "-rw-------"} {
			if got := mustGet(t, r, h, "/mode?path="+name); got != mode {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
	must.Fail(t, "")(get(t, r, hosts[0], "/mode?path=/data"))
	for _, step := range []struct {
		verbs []faults.Verb
		lines string
	}{
		{[]faults.Verb{faults.Pause, faults.Resume, faults.Restart}, "serving got terminated serving"},
		{[]faults.Verb{faults.Kill, faults.Start}, "serving got terminated serving serving"},
	} {
		for _, v := range step.verbs {
			do(t, r, v, hosts[0].ID)
		}
		sink.until(t, "lines of all starts", func() bool { return strings.Join(sink.lines[hosts[0].ID], " ") == step.lines })
	}
	mustGet(t, r, hosts[0], "/env?name=WHO")
	must.Fail(t, "")(get(t, r, hosts[1], "/exit"))
	sink.until(t, "its exit", func() bool { return len(sink.exits[hosts[1].ID]) == 1 })
}

func TestLaunch_ExternalImageUserAndSignal(t *testing.T) {
	t.Parallel()
	sink := newRecord()
	r, hosts := created(t, 1, sink, Options{})
	dir := t.TempDir()
	b := must.Get(os.ReadFile(helper(t)))(t)
	write(t, dir, "helper", string(b))
	write(t, dir, "passwd", "root:x:0:0::/:\nnode:x:1234:4321::/home:\n")
	write(t, dir, "ignored", "x")
	write(t, dir, "unique", r.plan.ID) // an earlier run's image is another
	write(t, dir, ".dockerignore", "ignored\n")
	write(t, dir, "Dockerfile", "FROM scratch\nCOPY helper /helper\nCOPY passwd /etc/passwd\nUSER node\nSTOPSIGNAL SIGINT\nENTRYPOINT [\"/helper\"]\n")
	must.Do(t, os.Chmod(filepath.Join(dir, "helper"), 0o755))
	var steps []string
	source := runtime.ImageSource{Dockerfile: filepath.Join(dir, "Dockerfile")}
	ref := must.Get(r.BuildImage(t.Context(), source, func(s string) { steps = append(steps, s) }))(t)
	removeImageAfter(t, r, ref)
	if len(steps) < 4 {
		t.Errorf("progress %q", steps)
	}
	steps = nil
	write(t, dir, "ignored", "y")
	if again, err := r.BuildImage(t.Context(), source, func(s string) { steps = append(steps, s) }); err != nil || again != ref || steps != nil {
		t.Errorf("again %s for %s, %q, %v", again, ref, steps, err)
	}
	launch := runtime.Launch{ID: hosts[0].ID, Image: ref, Args: []string{"serve"}, Files: map[string][]byte{"/home/key": []byte("secret")}}
	must.Do(t, r.Launch(t.Context(), []runtime.Launch{launch}, nil))
	must.Equal(t, "secret", mustGet(t, r, hosts[0], "/file?path=/home/key"))
	do(t, r, faults.Stop, hosts[0].ID)
	sink.until(t, "its own signal", func() bool {
		return strings.Join(sink.lines[hosts[0].ID], " ") == "serving got interrupt"
	})
	c, err := r.cli.ContainerInspect(t.Context(), containerName(r.plan.ID, hosts[0].ID))
	if err != nil || c.State.Status != container.StateExited {
		t.Errorf("state %v, %v", c.State, err)
	}
}

// A node that the kernel kills because its container may have no more memory says so.
func TestRuntime_OutOfMemory(t *testing.T) {
	t.Parallel()
	sink := newRecord()
	r, hosts := created(t, 2, sink, Options{})
	nodes := launches(hosts)
	nodes[0].Memory = 96 << 20
	must.Do(t, r.Launch(t.Context(), nodes, nil))
	for i, want := range []int64{96 << 20, DefaultMemory} {
		c := must.Get(r.cli.ContainerInspect(t.Context(), containerName(r.plan.ID, hosts[i].ID)))(t)
		must.Equal(t, want, c.HostConfig.Memory)
		must.Equal(t, want, c.HostConfig.MemorySwap)
	}
	_, _ = get(t, r, hosts[0], "/eat") // it dies before it answers
	sink.until(t, "the exit", func() bool { return len(sink.exits[hosts[0].ID]) == 1 })
	if got := sink.exits[hosts[0].ID][0]; !strings.HasPrefix(got, "killed by the kernel: memory limit 96 MiB: exited with status 137") {
		t.Errorf("exit: %s", got)
	}
}
