// Package relay decides how news spread: the strategies, what is known of what peers know, which items were asked for
// and from whom, and the counts of it all. It sends nothing itself.
//
// # Counts
//
// A payload is one Tx or Block message. Sent counts payloads sent, Received payloads that arrived, Duplicates those of
// Received whose item the node already had (pending, in a block of its tree, or waiting for its parent). With flood,
// on a connected graph of n nodes and m links on which nothing is lost and every node accepts the item, one item costs
// 2m-(n-1) payloads, of which 2m-2(n-1) = 2(m-n+1) are duplicates. With inventory a payload is sent only when it is
// asked for, and what replaces the rest is counted apart: AnnouncesSent and AnnouncesReceived count hashes in Inv
// messages, one each. Answers to requests for history (Blocks) are no payloads; SyncSent and SyncReceived count their
// blocks.
package relay
