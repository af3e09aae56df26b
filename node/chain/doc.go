// Package chain holds what all nodes must agree on: transactions, blocks, the ledger's rules and state, the block tree and
// the fork choice. It is pure: the same blocks lead to the same state everywhere. It knows nothing about networks, disks
// or clocks. An Engine decides whether a header is valid; package consensus/pow implements it. docs/protocol.md is the
// specification.
//
//   - types.go: Hash, Address and the other small types with their text forms
//   - block.go: Tx, Header and Block with their binary encodings and hashes
//   - genesis.go, key.go, work.go: Genesis; Key and signatures; Target and Work
//   - state.go: State, the accounts after a block as an immutable Merkle trie
//   - ledger.go: Ledger, which executes blocks on states
//   - memo.go: Memo, through which the nodes of a simulation share what they have computed alike
//   - tree.go: Tree, all known blocks and the canonical chain; it calls Engine and Ledger
//   - errors.go: the reasons to refuse a block
//
// testdata/vectors.json fixes encodings and hashes. A change of it is a change of the protocol.
package chain
