// Package pow is proof of work: a block is valid when SHA-256d of its header is at most a target, and aserti3-2d adjusts
// the target so that blocks keep to a schedule. It checks headers only and knows nothing of transactions.
//
// engine.go has the rules of a header (chain.Engine), difficulty.go the targets they use: the first one and its
// adjustment. search.go finds nonces.
package pow
