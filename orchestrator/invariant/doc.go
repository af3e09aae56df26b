// Package invariant judges recorded runs. Every invariant is one file: its definition in words, its parameters, and a
// pure incremental checker of a trace. Checkers never see a live node, a clock or the network; what they know of a run
// is in its trace.
package invariant
