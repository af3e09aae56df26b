// Package ledger re-executes the blocks of a netsplit proof-of-work chain from genesis, so that a checker need not
// trust the nodes that made them. It implements the chain's rules independently and shares no code with the node: a bug goes
// unnoticed only if both have it. It judges single blocks and has no fork choice.
package ledger
