// Package testnets is the scenario file: its strict decoding with source positions, its validation, the topologies it
// can ask for, and the catalog of ready scenarios. A Spec is configuration, not runtime state: nothing in it runs.
package testnets
