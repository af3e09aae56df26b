package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/docker/go-connections/nat"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// startContainers starts n containers of the helper on a network of their own, as someone else would, and returns their label.
// change, if there is one, may change the configuration of each container.
func startContainers(t *testing.T, n int, change ...func(*container.HostConfig)) string {
	t.Helper()
	r := open(t)
	ref := helperImage(t, r)
	who := uniqueName("attached")
	ctx := context.Background() // clean-up outlives the test's context
	made := must.Get(r.cli.NetworkCreate(ctx, who, network.CreateOptions{Driver: "bridge", Labels: TestLabels()}))(t)
	t.Cleanup(func() {
		list, err := r.cli.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "who="+who))})
		must.Check(t, err)
		if len(list) != n && !t.Failed() {
			t.Errorf("%d containers of %d are there", len(list), n)
		}
		for _, c := range list {
			if c.State != "running" && !t.Failed() {
				t.Errorf("%s was left %s", nameOf(c), c.State)
			}
			must.Check(t, r.cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}))
		}
		must.Check(t, r.cli.NetworkRemove(ctx, made.ID))
	})
	for i := range n {
		h := &container.HostConfig{NetworkMode: container.NetworkMode(who)}
		for _, c := range change {
			c(h)
		}
		labels := TestLabels()
		labels["who"], labels[composeService], labels[composeNumber] = who, "val", fmt.Sprint(i+1)
		c, err := r.cli.ContainerCreate(ctx, &container.Config{
			Image: ref, Cmd: []string{"serve"}, Tty: i == 1, ExposedPorts: nat.PortSet{"80/tcp": {}},
			Labels: labels,
		}, h, nil, nil, fmt.Sprintf("%s_val_%d", who, i+1))
		must.Do(t, err)
		must.Do(t, r.cli.ContainerStart(ctx, c.ID, container.StartOptions{}))
	}
	return who
}

// attached attaches to the containers with a label and creates a testnet of them.
func attached(t *testing.T, who string, sink runtime.Sink) (*Attached, []runtime.Host) {
	t.Helper()
	plan := testPlan(t, 0, sink) // first: its directory is removed after Close
	f := must.Get(Attach(t.Context(), Selector{Labels: []string{"who=" + who}}, AttachOptions{Lease: true}))(t)
	t.Cleanup(func() { must.Check(t, f.Close(context.Background())) })
	infos := must.Get(f.Hosts(t.Context()))(t)
	for _, i := range infos {
		plan.Nodes = append(plan.Nodes, runtime.PlanNode{ID: i.ID, Role: i.Role})
	}
	hosts := must.Get(f.Create(t.Context(), plan))(t)
	must.Do(t, f.Launch(t.Context(), launches(hosts), nil))
	return f, hosts
}

func TestAttached_SplitsAndRestores(t *testing.T) {
	t.Parallel()
	who := startContainers(t, 3)
	sink := newRecord()
	f, hosts := attached(t, who, sink)
	if len(hosts) != 3 || hosts[0].ID != "val-1" || hosts[2].ID != "val-3" {
		t.Fatalf("hosts %v", hosts)
	}
	mustGet(t, f, hosts[0], "/env?name=x")
	cut := faults.Link{From: "val-1", To: "val-2"}
	open := faults.Link{From: "val-1", To: "val-3"}
	probe := func(want int) {
		t.Helper()
		m, err := f.Probe(t.Context(), []faults.Link{cut, open}, faults.ProbePlan{Count: 3, Interval: 10 * time.Millisecond, Wait: time.Second})
		must.Do(t, err)
		if m[0].Received != want || m[1].Received != 3 {
			t.Errorf("received %d and %d, want %d and 3", m[0].Received, m[1].Received, want)
		}
	}
	probe(3)
	layer := faults.Layer{ID: "cut-1", Kind: "partition", Text: "cut", Since: time.Now(), Links: faults.Links{
		Rules: []faults.Rule{{From: []faults.NodeID{"val-1"}, To: []faults.NodeID{"val-2"}, Cut: true}},
	}}
	must.Get(f.Shape(t.Context(), []faults.Layer{layer}))(t)
	probe(0)
	do(t, f.nodeSet, faults.Pause, "val-3") // past Attached, on purpose: nothing is noted
	do(t, f.nodeSet, faults.Resume, "val-3")
	for _, a := range []faults.Action{{Verb: faults.Restart, Node: "val-3"}, {Verb: faults.Pause, Node: "val-2"}, {Verb: faults.Kill, Node: "val-1"}} {
		must.Do(t, f.Do(t.Context(), a))
	}
	sink.until(t, "the line of the restart", func() bool {
		return strings.HasSuffix(strings.Join(sink.lines["val-3"], " "), "got terminated serving")
	})
	if tail, err := f.Logs(t.Context(), "val-2", 5); err != nil || fmt.Sprint(tail) != "[serving]" {
		t.Errorf("log of a console: %q, %v", tail, err)
	}
	states, err := f.States(t.Context())
	if err != nil || states["val-1"] != NodeExited || states["val-2"] != NodePaused || states["val-3"] != NodeRunning {
		t.Errorf("states %v, %v", states, err)
	}
	must.Do(t, f.Close(t.Context()))
	wantLeft(t, f.journal.Testnet, 0)
	must.Fail(t, "")(f.Do(t.Context(), faults.Action{Verb: faults.Kill, Node: "val-1"}))
}

// Containers whose logs cannot be read are named at the start, and miss nothing that was promised.
func TestAttached_UnreadableLogs(t *testing.T) {
	t.Parallel()
	who := startContainers(t, 2, func(h *container.HostConfig) { h.LogConfig.Type = "none" })
	sink := newRecord()
	f, hosts := attached(t, who, sink)
	want := []string{who + "_val_1 (log driver none)", who + "_val_2 (log driver none)"}
	must.Equal(t, want, f.UnreadableLogs())
	if tail, err := f.Logs(t.Context(), hosts[0].ID, 5); err != nil || len(tail) != 0 {
		t.Errorf("log: %q, %v", tail, err)
	}
	must.Do(t, f.Do(t.Context(), faults.Action{Verb: faults.Restart, Node: hosts[0].ID}))
	must.Do(t, f.Close(t.Context()))
	if len(sink.gaps) != 0 {
		t.Errorf("gaps %v", sink.gaps)
	}
}

// Whoever removes the testnet of a killed run restores the containers.
func TestRemove_RestoresAttachedContainers(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(ctx context.Context, id string) error{
		"one": Remove,
		"all": func(ctx context.Context, id string) error {
			r := open(t)
			// As RemoveAll does, without what other tests have running.
			return only(ctx, r, id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			who := startContainers(t, 4)
			f, _ := attached(t, who, nil)
			file := f.journal.file
			for _, a := range []faults.Action{
				{Verb: faults.Kill, Node: "val-4"}, {Verb: faults.Start, Node: "val-4"},
				{Verb: faults.Pause, Node: "val-1"}, {Verb: faults.Kill, Node: "val-3"}, {Verb: faults.Stop, Node: "val-2"},
			} {
				must.Do(t, f.Do(t.Context(), a))
			}
			if l, err := readJournal(file, f.journal.Testnet); err != nil || len(l.Steps) != 3 {
				t.Errorf("on disk: %+v, %v", l, err)
			}
			if err := f.Detach(); err != nil { // for the engine this is no different from a kill
				t.Fatal(err)
			}
			states := func() (map[faults.NodeID]string, error) { return f.States(t.Context()) }
			if is, err := states(); err != nil || is["val-1"] != NodePaused || is["val-2"] != NodeExited || is["val-3"] != NodeExited {
				t.Errorf("after the end of the run: %v, %v", is, err)
			}
			must.Do(t, remove(t.Context(), f.journal.Testnet))
			is := must.Get(states())(t)
			for id, state := range is {
				if state != NodeRunning {
					t.Errorf("%s is %s", id, state)
				}
			}
			for _, c := range f.containers {
				if err := checkAddr(t.Context(), f.cli, restoreStep{Container: c.id, Addr: c.addr}, f.network); err != nil {
					t.Errorf("%s: %v", c.node, err)
				}
			}
			wantLeft(t, f.journal.Testnet, 0)
			must.Fail(t, fs.ErrNotExist)(os.Stat(file))
		})
	}
}

// only removes one testnet as RemoveAll removes each.
func only(ctx context.Context, r *Runtime, id string) error {
	done, err := removeAll(ctx, oneTestnet{r.cli, id}, "/nowhere", true)
	if err == nil && !slices.Equal(done.IDs, []string{id}) {
		err = fmt.Errorf("removed %v", done)
	}
	return err
}

// oneTestnet is an engine that shows one testnet only.
type oneTestnet struct {
	remover
	id string
}

func (o oneTestnet) ContainerList(ctx context.Context, l container.ListOptions) ([]container.Summary, error) {
	l.Filters = byTestnet(o.id)
	return o.remover.ContainerList(ctx, l)
}

func (o oneTestnet) NetworkList(ctx context.Context, l network.ListOptions) ([]network.Summary, error) {
	l.Filters = byTestnet(o.id)
	return o.remover.NetworkList(ctx, l)
}

// Where a container cannot be restored, the testnet stays until it can.
func TestAttached_RetriesRestore(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	who := startContainers(t, 1, func(h *container.HostConfig) {
		h.PortBindings = nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: port}}}
	})
	f, _ := attached(t, who, nil)
	must.Do(t, f.Do(t.Context(), faults.Action{Verb: faults.Kill, Node: "val-1"}))
	taken := must.Get(net.Listen("tcp", "127.0.0.1:"+port))(t)
	defer taken.Close()
	for _, err := range []error{f.Close(t.Context()), Remove(t.Context(), f.journal.Testnet)} {
		must.Fail(t, "start container "+who+"_val_1, which a fault had ended or paused")(err)
		wantLeft(t, f.journal.Testnet, 1)
	}
	taken.Close()
	must.Check(t, Remove(t.Context(), f.journal.Testnet))
	wantLeft(t, f.journal.Testnet, 0)
}

// freePort returns a port of the loopback on which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l := must.Get(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must.Do(t, err)
	return port
}

// wantLeft checks how many containers and networks there are of a testnet.
func wantLeft(t *testing.T, id string, n int) {
	t.Helper()
	if left, err := remaining(t.Context(), open(t).cli, byTestnet(id)); err != nil || len(left) != n {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestAttached_ReportsExit(t *testing.T) {
	t.Parallel()
	who := startContainers(t, 2)
	sink := newRecord()
	f, hosts := attached(t, who, sink)
	get(t, f, hosts[0], "/exit")
	sink.until(t, "its exit", func() bool {
		return len(sink.exits["val-1"]) == 1 && strings.Contains(sink.exits["val-1"][0], "status 3")
	})
	err := f.Do(t.Context(), faults.Action{Verb: faults.Kill, Node: "val-1"})
	if err == nil || len(f.journal.Steps) > 0 {
		t.Errorf("%v, journal %v", err, f.journal.Steps)
	}
	must.Check(t, f.Do(t.Context(), faults.Action{Verb: faults.Start, Node: "val-1"}))
}

func TestAttached_RefusesAutoRemove(t *testing.T) {
	t.Parallel()
	who := startContainers(t, 2, func(h *container.HostConfig) { h.AutoRemove = true })
	f, hosts := attached(t, who, nil)
	for _, v := range []faults.Verb{faults.Kill, faults.Stop, faults.Restart} {
		must.Fail(t, "--rm")(f.Do(t.Context(), faults.Action{Verb: v, Node: hosts[0].ID}))
	}
	list := []faults.Scheduled{{At: time.Second, For: time.Second, Fault: faults.NodeFault{Verb: faults.Kill, Nodes: faults.Select{Names: []string{"val-1"}}}}}
	planned := must.Get(faults.Plan(list, faults.Net{Nodes: []faults.NodeID{"val-1", "val-2"}}, 1, time.Minute))(t)
	must.Fail(t, "fault kill-1: container "+who+"_val_1 was started with --rm")(f.CheckFaults(planned))
	must.Fail(t, "")(f.Create(t.Context(), runtime.Plan{ID: "again"}))
	must.Fail(t, "")(f.Launch(t.Context(), []runtime.Launch{{ID: "x"}}, nil))
}

func TestConsoleLogs(t *testing.T) {
	src := rawLog("2026-01-02T03:04:05.5Z one\r\n2026-01-02T03:04:05.6Z two\n")
	var got []string
	l := lines{line: func(b []byte) { got = append(got, string(b)) }, gap: func(err error) { t.Error(err) }}
	body := must.Get(consoleLogs{src}.ContainerLogs(t.Context(), "x", container.LogsOptions{}))(t)
	if _, err := stdcopy.StdCopy(&l, io.Discard, body); err != nil || fmt.Sprint(got) != "[one two]" {
		t.Errorf("%q, %v", got, err)
	}
}

type rawLog string

func (l rawLog) ContainerLogs(context.Context, string, container.LogsOptions) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader([]byte(l))), nil
}
