package docker

import (
	"fmt"
	"time"

	"github.com/netsplit/netsplit/orchestrator/runtime"
)

const (
	// maxPorts is how many interfaces the kernel's bridge takes.
	maxPorts = 1023
	// filesPerNode are the descriptors that this process has per node: its log, and connections to its API. filesOfRun are
	// those beside.
	filesPerNode = 4
	filesOfRun   = 100
)

// CheckSize fails where this host cannot run a testnet of so many nodes in containers, whatever the nodes are.
func CheckSize(nodes int) error {
	if nodes > maxPorts {
		return &runtime.HostError{
			Err:    fmt.Errorf("%d nodes do not fit into one network: a bridge of Linux has at most %d ports", nodes, maxPorts),
			Advice: fmt.Sprintf("--nodes %d, or --runtime sim, which takes 10,000", maxPorts),
		}
	}
	return checkFiles(nodes, maxFiles())
}

// checkFiles is the part of CheckSize about the descriptors that this process may have.
func checkFiles(nodes int, has uint64) error {
	if need := uint64(filesOfRun + filesPerNode*nodes); need > has {
		return &runtime.HostError{
			Err:    fmt.Errorf("%d nodes need about %d open files, and this process may have %d", nodes, need, has),
			Advice: fmt.Sprintf("raise the limit (ulimit -Hn %d), or --nodes %d", need, max(1, (int(has)-filesOfRun)/filesPerNode)),
		}
	}
	return nil
}

// Estimates of one container with netsplit's own node, as docs/benchmarks.md has them; nodes of other chains need more.
const (
	memoryPerNode = 40 << 20 // bytes, with what the engine needs for a container
	startPerNode  = 250 * time.Millisecond
)

// EstimateSize says what a testnet of so many nodes needs at least. big is true where that is more memory than this host has
// available, or takes so long that users should know before.
func EstimateSize(nodes int) (text string, big bool) {
	need := uint64(nodes) * memoryPerNode
	took := time.Duration(nodes) * startPerNode
	total, available := freeMemory()
	text = fmt.Sprintf("%d containers need about %s of memory and %v to start", nodes, sizeOf(need), took.Round(time.Second))
	if total > 0 {
		text += fmt.Sprintf("; this host has %s, of which %s are available", sizeOf(total), sizeOf(available))
	}
	return text, total > 0 && need > available || took > time.Minute
}

// sizeOf shows a number of bytes.
func sizeOf(bytes uint64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}
