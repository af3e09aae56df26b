package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestContainerOf(t *testing.T) {
	id := strings.Repeat("0123abcd", 8)
	for _, c := range []struct{ name, mounts, want string }{
		{"docker", "1180 1160 254:0 /var/lib/docker/containers/" + id + "/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n", id},
		{"docker with a disk of its own", "1 2 8:1 /containers/" + id + "/resolv.conf /etc/resolv.conf rw - ext4 /dev/sdb rw\n", id},
		{"podman", "1 2 0:5 /containers/storage/overlay-containers/" + id + "/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw\n", id},
		{"the host of containers", "90 30 0:50 / /var/lib/docker/containers/" + id + "/mounts/shm rw - tmpfs shm rw\n", ""},
		{"another mount at that place", "1 2 8:1 /data/hostname /etc/hostname rw - ext4 /dev/sda rw\n", ""},
		{"none", "", ""},
		{"garbage", "1 2\n\nx\n", ""},
	} {
		if got := containerOf([]byte(c.mounts)); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestSharesDir(t *testing.T) {
	for _, c := range []struct {
		source, destination string
		want                bool
	}{
		{"/tmp", "/tmp", true},
		{"/tmp/netsplit-0", "/tmp/netsplit-0", true},
		{"/", "/", true},
		{"/home/me/tmp", "/tmp", false},
		{"/var", "/var", false},
		{"/tmp/netsplit-0/x", "/tmp/netsplit-0/x", false},
	} {
		got := sharesDir([]container.MountPoint{{Source: c.source, Destination: c.destination}}, "/tmp/netsplit-0")
		if got != c.want {
			t.Errorf("%s at %s: %v", c.source, c.destination, got)
		}
	}
}

func TestExplainMount(t *testing.T) {
	var host *runtime.HostError
	err := explainMount(errors.New(`invalid mount config for type "bind": bind source path does not exist: /tmp/x`), "/tmp/x")
	if !errors.As(err, &host) || !strings.Contains(host.Advice, "XDG_RUNTIME_DIR") {
		t.Errorf("got %v", err)
	}
	if other := errors.New("no space left"); explainMount(other, "/tmp/x") != other || explainMount(nil, "/tmp/x") != nil {
		t.Error("another error is changed")
	}
}

func TestCheckRoute(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	if _, err := routeTo(loopback); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	must.Check(t, checkRoute("lo", loopback))
	must.Fail(t, "is not on this host")(checkRoute("nosuch0", loopback))
	var host *runtime.HostError
	err := checkRoute("lo", netip.MustParseAddr("198.51.100.1"))
	if !errors.As(err, &host) || !strings.Contains(host.Advice, "--subnet") {
		t.Errorf("an address elsewhere: %v", err)
	}
}

// An engine of which somebody removed the bridge of the default network is still here: a network that it makes shows that.
func TestCheckPlace_BridgeRemoved(t *testing.T) {
	needDocker(t)
	end := endpoint{host: "unix:///x"}
	s := must.Get(openSession(t.Context()))(t)
	defer s.Detach()
	check := func(inner placeEngine) error { return checkPlace(t.Context(), renamedBridge{inner}, end) }
	must.Check(t, check(s.cli))
	must.Fail(t, "nosuch0, is not here")(check(elsewhere{s.cli}))
	left := must.Get(s.cli.NetworkList(t.Context(), network.ListOptions{Filters: byTool()}))(t)
	for _, n := range left {
		if strings.HasPrefix(n.Name, fmt.Sprintf("netsplit-probe-%d-", os.Getpid())) {
			t.Errorf("left %s", n.Name)
		}
	}
}

// renamedBridge is an engine whose default network has a bridge that does not exist.
type renamedBridge struct{ placeEngine }

func (renamedBridge) NetworkInspect(context.Context, string, network.InspectOptions) (network.Inspect, error) {
	return network.Inspect{Driver: "bridge", Options: map[string]string{"com.docker.network.bridge.name": "nosuch0"}}, nil
}

// elsewhere is an engine whose networks come up on another host.
type elsewhere struct{ placeEngine }

func (elsewhere) NetworkCreate(context.Context, string, network.CreateOptions) (network.CreateResponse, error) {
	return network.CreateResponse{ID: "n"}, nil
}

func (elsewhere) NetworkRemove(context.Context, string) error { return nil }

// The agent is in the host's namespaces also where the engine remaps users, and the engine makes no directory for it.
func TestAgent_Container(t *testing.T) {
	run := must.Get(os.MkdirTemp("", "run"))(t)
	t.Cleanup(func() { os.RemoveAll(run) })
	t.Setenv("XDG_RUNTIME_DIR", run)
	var requested []string
	var made struct{ HostConfig container.HostConfig }
	replies := plainEngine("/containers/create", "")
	host := httpEngine(t, "unix", replies, func(w http.ResponseWriter, r *http.Request) bool {
		requested = append(requested, r.Method+" "+r.URL.Path)
		if !strings.HasSuffix(r.URL.Path, "/containers/create") {
			return false
		}
		must.Check(t, json.NewDecoder(r.Body).Decode(&made))
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"message":"invalid mount config for type \"bind\": bind source path does not exist: /x"}`)
		return true
	})
	t.Setenv("DOCKER_HOST", host)
	s := must.Get(openSession(t.Context()))(t)
	defer s.Detach()
	f := must.Get(newFactory(s.cli, nil))(t)
	f.cli.image = image.InspectResponse{ID: "sha256:1", Config: &dockerspec.DockerOCIImageConfig{}}
	nodes := newNodeSet(s.cli, "t", "")
	a := must.Get(startAgent(s, f, agentOptions{testnet: "t", bridge: "b", labels: map[string]string{}, nodes: nodes}))(t)
	_, err := a.wait(t.Context())
	var wrong *runtime.HostError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "the engine does not see "+filepath.Dir(a.socket)) || a.failure() == nil {
		t.Errorf("got %v", err)
	}
	h := made.HostConfig
	if h.UsernsMode != "host" || h.NetworkMode != "host" || len(h.Binds) != 0 || len(h.Mounts) != 1 || h.Mounts[0].Source != filepath.Dir(a.socket) {
		t.Errorf("container %+v", h)
	}
	if slices.ContainsFunc(requested, func(r string) bool { return strings.HasSuffix(r, "/networks/create") }) {
		t.Errorf("a network was made: %v", requested)
	}
	must.Check(t, removeSocketDir(filepath.Dir(a.socket)))
	wantEmpty(t, run)
}
