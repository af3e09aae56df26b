// Package chain says how the orchestrator talks to one kind of node: how to prepare it, what its log lines mean, how
// to ask for its head and blocks and to hand it transactions. It knows nothing of how nodes are hosted.
package chain
