// Package trace is the recorded history of a run: an append-only list of events, on disk as one JSON object a line,
// compressed with zstd. It is all that the invariant checkers ever see, so a run can be judged again years later from
// its directory alone. It knows nothing of nodes, runtimes or checkers and imports nothing else of netsplit.
package trace
