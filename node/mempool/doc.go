// Package mempool holds transactions that wait for a block. Those of one sender are ordered by nonce, senders by fee and
// then arrival. The number of transactions, of those of one sender, and the gap between nonces are bounded. It does not
// know the ledger: callers pass in accounts. All of it is in pool.go.
package mempool
