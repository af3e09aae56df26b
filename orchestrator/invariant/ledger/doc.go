// Package ledger re-executes the blocks of a netsplit proof-of-work chain from genesis, so that a checker need not
// believe the nodes that made them. It is written from the chain's rules alone and shares no code with the node: a
// mistake must be made twice, independently, to go unnoticed. It judges blocks; it never chooses among forks.
package ledger
