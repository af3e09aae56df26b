package docker

import (
	"errors"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

func TestCheckSize(t *testing.T) {
	must.Check(t, CheckSize(10))
	var host *runtime.HostError
	err := CheckSize(maxPorts + 1)
	if !errors.As(err, &host) || !strings.Contains(err.Error(), "at most 1023 ports") || !strings.Contains(host.Advice, "--nodes 1023") {
		t.Errorf("got %v", err)
	}
	for _, c := range []struct {
		nodes int
		files uint64
		want  string
	}{{10, 140, ""}, {10, 139, "10 nodes need about 140 open files, and this process may have 139"}, {1, 50, "open files"}} {
		err := checkFiles(c.nodes, c.files)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d nodes with %d files: %v", c.nodes, c.files, err)
		}
	}
}

func TestCheckMemory(t *testing.T) {
	for _, c := range []struct {
		nodes int
		has   uint64
		want  string
	}{
		{1000, 0, ""}, {64, 2 << 30, ""},
		{65, 2 << 30, "65 nodes need about 2.0 GiB of memory, and this host has 2.0 GiB"},
		{1000, 8 << 30, "1000 nodes need about 31.2 GiB of memory, and this host has 8.0 GiB"},
	} {
		err := checkMemory(c.nodes, c.has)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d nodes with %d bytes: %v", c.nodes, c.has, err)
		}
	}
}

func TestEstimate(t *testing.T) {
	for _, c := range []struct {
		nodes     int
		available uint64
		text      string
		big       bool
	}{
		{10, 1 << 30, "10 containers need about 320 MiB of memory and 3s to start; 1.0 GiB are available", false},
		{100, 1 << 30, "100 containers need about 3.1 GiB of memory and 25s to start; 1.0 GiB are available", true},
		{1000, 0, "1000 containers need about 31.2 GiB of memory and 4m10s to start", true},
		{100, 64 << 30, "100 containers need about 3.1 GiB of memory and 25s to start; 64.0 GiB are available", false},
	} {
		if text, big := estimate(c.nodes, c.available); text != c.text || big != c.big {
			t.Errorf("got %s, %v; want %s, %v", text, big, c.text, c.big)
		}
	}
}
