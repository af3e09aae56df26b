package relay

// flood pushes every item to every peer but the one it came from.
type flood struct{}

// maxPushBacklog bounds the pending transactions pushed to a new peer.
const maxPushBacklog = 256

func (flood) Name() string           { return "flood" }
func (flood) Accepted(bool) Action   { return Push }
func (flood) Backlog() (Action, int) { return Push, maxPushBacklog }
func (flood) Tracks() bool           { return false }
