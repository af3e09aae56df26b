// Package mempool holds transactions that wait for a block: ordered by nonce within a sender and by fee, then arrival,
// among senders, and bounded in every direction. It knows accounts only by what it is told of them.
package mempool
