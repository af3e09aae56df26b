// Package lab builds a small network in the kernel: a bridge in a network namespace of its own and nodes in theirs.
// Check tests on it what the host can do, and tests use it. It needs root and touches nothing of the host's network.
package lab
