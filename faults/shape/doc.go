// Package shape makes the desired state of links true in a Linux kernel that carries a bridge, and measures links. It
// decides nothing about faults; package faults does.
//
// Its parts, from the top:
//   - Engine (engine_linux.go) applies a Desired: cuts with package nft, delays with package nfqueue. The agent calls it.
//   - Expand (desired.go) turns faults.Links between nodes into a Desired between addresses.
//   - Check (check_linux.go) tries what a host can do; `netsplit doctor` shows it.
//   - Package nft owns the nftables table, nfqueue holds delayed packets, probe measures links.
//   - Package lab builds a small network in namespaces for Check and for tests, shapetest is for tests alone, netns runs
//     code in another network namespace.
//
// A new effect on packets (loss, rate ...) is a field of faults.Shape, its checks in desired.go and agent/validate.go,
// and code in nfqueue; and beyond this package in trace.Rule and trace.LinkProbe, run/faultrunner.go and run/prober.go,
// the invariant fault_accuracy, the simulator (conn.go) and runtimetest/links.go.
package shape
