// Package fake is a runtime for tests of code that uses runtimes. It hosts real nodes in virtual time, as package sim
// does, and fails where its Script says so: nodes that do not start or that die, faults that are accepted and do nothing,
// measurements that fail, lost lines. It records its calls.
//
// A new way to fail is a field of Script, checked in the method of Runtime that it breaks.
package fake
