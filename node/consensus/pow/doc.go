// Package pow is proof of work: a block is valid when SHA-256d of its header is at most a target, and aserti3-2d moves
// the target so that blocks keep to a schedule. It judges headers alone and knows nothing of transactions.
package pow
