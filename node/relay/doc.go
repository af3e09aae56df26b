// Package relay decides how transactions and blocks spread. It sends nothing itself; package node does.
//
// Strategy says what to send to a peer (strategy.go: flood, inventory), Known remembers what a peer has, Requests tracks
// what was requested from whom, and Counters counts messages. A new strategy is a row of the table in strategy.go and a word
// in the enum of scenario.Spec.Relay (testnets/scenario/spec.go).
package relay
