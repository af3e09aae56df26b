// Package scenario is the scenario file: its strict decoding with source positions, its validation, and the topologies that
// it can have. A Spec is configuration, not runtime state: nothing in it runs.
package scenario
