// Package shapetest builds a small network in the kernel for tests: a bridge in a namespace of its own and nodes in
// theirs. It needs root and is for tests only.
package shapetest
