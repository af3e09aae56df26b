package docker

import (
	"errors"
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

// Estimates of one container with netsplit's own node; nodes of other chains need more. Measured with ten nodes: 24 MiB for the
// node and 3 MiB for its shim, and the kernel's part; docs/benchmarks.md has the time.
const (
	memoryPerNode = 32 << 20 // bytes
	startPerNode  = 250 * time.Millisecond
)

// DefaultMemory is the most memory, in bytes, that a node's container may have where nothing else is said. It is several times
// what nodes of the ready chains and netsplit's own need in runs of minutes: 24 MiB at least, some 200 MiB at most.
const DefaultMemory = 1 << 30

// CheckSize fails where this host cannot run a testnet of so many nodes in containers, whatever the nodes are.
func CheckSize(nodes int) error {
	if nodes > maxPorts {
		return &runtime.HostError{
			Err:    fmt.Errorf("%d nodes do not fit into one network: a bridge of Linux has at most %d ports", nodes, maxPorts),
			Advice: fmt.Sprintf("--nodes %d, or --runtime sim, which takes 10,000", maxPorts),
		}
	}
	total, _ := memory()
	return errors.Join(checkFiles(nodes, maxFiles()), checkMemory(nodes, total))
}

// checkFiles fails where this process may have too few descriptors.
func checkFiles(nodes int, has uint64) error {
	need := uint64(filesOfRun + filesPerNode*nodes)
	if need <= has {
		return nil
	}
	return &runtime.HostError{
		Err:    fmt.Errorf("%d nodes need about %d open files, and this process may have %d", nodes, need, has),
		Advice: fmt.Sprintf("raise the limit (ulimit -Hn %d), or --nodes %d", need, max(1, (int(has)-filesOfRun)/filesPerNode)),
	}
}

// checkMemory fails where nodes need more memory than a host has; 0: it is not known.
func checkMemory(nodes int, has uint64) error {
	need := uint64(nodes) * memoryPerNode
	if has == 0 || need <= has {
		return nil
	}
	return &runtime.HostError{
		Err:    fmt.Errorf("%d nodes need about %s of memory, and this host has %s", nodes, sizeOf(need), sizeOf(has)),
		Advice: fmt.Sprintf("--nodes %d, or --runtime sim", max(1, has/memoryPerNode)),
	}
}

// EstimateSize says what a testnet of so many nodes needs at least. big is true where that is more memory than this host has
// available, or takes so long that users should know before.
func EstimateSize(nodes int) (text string, big bool) {
	_, available := memory()
	return estimate(nodes, available)
}

func estimate(nodes int, available uint64) (text string, big bool) {
	need := uint64(nodes) * memoryPerNode
	took := time.Duration(nodes) * startPerNode
	text = fmt.Sprintf("%d containers need about %s of memory and %v to start", nodes, sizeOf(need), took.Round(time.Second))
	if available > 0 {
		text += fmt.Sprintf("; %s are available", sizeOf(available))
	}
	return text, available > 0 && need > available || took > time.Minute
}

// sizeOf shows a number of bytes.
func sizeOf(bytes uint64) string {
	if bytes < 1<<30 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}
