// Package trace is the recorded history of a run: an append-only list of events, on disk as one JSON object a line,
// compressed with zstd. It is all that the invariant checkers ever see, so a run can be judged again years later from its
// directory alone. It knows nothing of nodes, runtimes or checkers and imports nothing else of netsplit.
//
//   - event.go holds every kind of event, the format's version, and Validate. A new field or kind goes here, and from here into
//     docs/trace.md by `go test ./orchestrator/trace -update`; see Format for what makes a new version.
//   - writer.go appends events; reader.go reads them in the order of the file, sorted.go in the order of time.
//   - tally.go counts lines and makes digests: the writer puts them into the end event, the reader compares.
//   - decode.go is a fast path for the two most frequent kinds, in exactly the form that Writer gives them. When their
//     fields change it must follow; TestFastDecoderAgrees and FuzzDecode compare it with encoding/json.
//   - duration.go is how times of a run are printed for people.
//
// Seen, Head, Final and Peer events come from a node's log (chain/native/log.go) or from polling it
// (chain/external/poller.go), all others from package run.
package trace
