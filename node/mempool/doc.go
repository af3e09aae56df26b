// Package mempool holds transactions that wait for a block: ordered by nonce within a sender and by fee, then arrival,
// among senders, and bounded by count, sender and nonce gap. It does not know the ledger: callers pass in accounts. All of
// it is in pool.go.
package mempool
