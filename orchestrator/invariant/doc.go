// Package invariant judges recorded runs. Checkers never see a live node, a clock or the network; all they know of a run
// is its trace.
//
//   - invariant.go is the contract: Definition, Checker, Result, Verdict, Evidence. Definitions lists every invariant.
//   - params.go parses and checks the parameters of `expect:` entries.
//   - judge.go is Judge: it plays a trace through package replay, lets every checker observe each event, and withholds
//     verdicts that an incomplete trace does not support. ExitCode is here too.
//   - One file per invariant, named as in `expect:`: its definition in words, its parameters and defaults, and its
//     checker. A checker reads replay.State, which says what the trace means at each event, and keeps figures of its own.
//     finality.go is the second file of agreement.
//   - summary.go holds the figures for a report; checkers that have some implement summarizer.
//   - statistics.go counts durations and sets floors for random block counts.
//   - testdata/ holds histories with the verdicts on them, one file per invariant; script_test.go says what they can say.
//   - ledger/ executes blocks again for validity.
//
// A new invariant is a new file and a line in Definitions; scenario files, `chain check` and reports find it there. A
// fact that several checkers need belongs into package replay.
package invariant
