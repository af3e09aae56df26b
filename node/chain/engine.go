package chain

// Engine is the consensus rules on headers.
type Engine interface {
	// CheckHeader checks what h claims as a child of branch's tip: difficulty, proof and time; the tree has checked
	// version, parent and height. now is the node's clock and bounds the header's time. Errors wrap ErrFuture, or
	// ErrInvalid and the reason.
	CheckHeader(h *Header, branch Branch, now Millis) error
	// NextBits is the bits that a child of branch's tip must carry.
	NextBits(branch Branch) uint32
	// MinTime is the earliest time that a child of branch's tip may carry.
	MinTime(branch Branch) Millis
}

// Branch is the headers from genesis to some block, the branch's tip.
type Branch interface {
	// Ancestor is the header n blocks before the tip, the tip itself for 0, nil before genesis. It takes n steps.
	Ancestor(n int) *Header
	// First is the branch's header at height 1, nil if it has genesis alone.
	First() *Header
}

// Headers is a Branch in a slice: index i holds height i, the last is the tip.
type Headers []*Header

// Ancestor is as Branch says.
func (hs Headers) Ancestor(n int) *Header {
	if n < 0 || n >= len(hs) {
		return nil
	}
	return hs[len(hs)-1-n]
}

// First is as Branch says.
func (hs Headers) First() *Header {
	if len(hs) < 2 {
		return nil
	}
	return hs[1]
}
