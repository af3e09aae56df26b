// Package fake is a runtime for tests of those who use runtimes. It hosts real nodes in virtual time, as package sim
// does, and fails where its Script says so: nodes that do not start or that die, faults that are accepted and do
// nothing, probes that lie, a clean-up that fails. It records what it was asked to do.
package fake
