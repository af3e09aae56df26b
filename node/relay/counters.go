package relay

// Counters are exact counts since the node was made; the package's documentation defines them.
type Counters struct {
	Sent, Received, Duplicates       uint64
	AnnouncesSent, AnnouncesReceived uint64
	SyncSent, SyncReceived           uint64
}
