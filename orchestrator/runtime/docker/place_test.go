package docker

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"

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
