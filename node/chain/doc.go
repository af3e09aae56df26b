// Package chain holds what all nodes must agree on: transactions, blocks, the ledger's rules and state, the block tree
// and the rule that chooses among forks. It is pure: the same blocks give the same state, everywhere. It knows nothing
// of networks, disks or clocks, and leaves to an Engine what makes a header acceptable. docs/protocol.md is the
// specification of what is implemented here.
package chain
