// Package faults is the vocabulary of things that can go wrong on purpose: one fault a file, a Schedule that says when,
// and Links, the complete desired state of every directed link. It decides what should be true; it does not make it
// true (see the shape and agent packages, and the runtimes). It imports nothing else of netsplit.
package faults
