// Package external is the implementation of chain.Chain for every chain that a chain file describes: it prepares keys, genesis and each node's
// files by the file's steps, asks nodes by the file's calls, and turns the answers into the events of a trace. It knows
// no chain by name, and nothing of how nodes are hosted.
package external
