package relay

// Counters are exact counts since the node was created.
//
// A payload is one Tx or Block message. Sent counts payloads sent, Received payloads that arrived, Duplicates those of
// Received whose item the node already had (pending, in a block of its tree, or waiting for its parent). With flood,
// on a connected graph of n nodes and m links on which nothing is lost and every node accepts the item, one item costs
// 2m-(n-1) payloads, of which 2m-2(n-1) = 2(m-n+1) are duplicates. With inventory a payload is sent only on request, and
// announcements are counted apart: AnnouncesSent and AnnouncesReceived count hashes in Inv messages. Answers to requests
// for history (Blocks) are not payloads; SyncSent and SyncReceived count their blocks.
type Counters struct {
	Sent, Received, Duplicates       uint64
	AnnouncesSent, AnnouncesReceived uint64
	SyncSent, SyncReceived           uint64
}
