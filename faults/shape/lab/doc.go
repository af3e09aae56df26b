// Package lab builds a small network in the kernel: a bridge in a network namespace of its own and nodes in theirs.
// Check tries on it what the host can do, and tests run on it. It needs root and touches nothing of the host's network.
package lab
