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

func TestEstimateSize(t *testing.T) {
	if text, big := EstimateSize(1); big || !strings.Contains(text, "40 MiB") {
		t.Errorf("one node: %s", text)
	}
	if text, big := EstimateSize(1000); !big || !strings.Contains(text, "1000 containers need about 39.1 GiB of memory and 4m10s to start") {
		t.Errorf("a thousand: %s", text)
	}
}
