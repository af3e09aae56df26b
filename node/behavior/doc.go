// Package behavior makes the state machine that a host runs: an honest node, or an adversary. An Adversary is an honest node
// that follows the chain and relays what others send, and beside that sends its peers what no honest node would. Like a node
// it has no goroutines, clock or sockets: the daemon and the simulator drive both through the interface Machine.
//
//   - machine.go: Machine, New
//   - adversary.go: Adversary, which chooses whom to attack when, and with what
//   - attacks.go: the kinds of attack, and what each sends
//
// A new kind is a row of the table in attacks.go and a word in the enum of scenario.Adversaries (testnets/scenario/spec.go).
package behavior
