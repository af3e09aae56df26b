package pow

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/netsplit/netsplit/node/chain"
)

// nonceOffset is where the nonce stands in a header's encoding: at the end.
const nonceOffset = chain.HeaderSize - 8

// Search tries up to attempts nonces, h.Nonce first and upwards, wrapping round. If one proves h's work, it is left in
// h.Nonce and found is true; if not, h.Nonce is the next one to try. tried counts the attempts made. A header whose bits
// are malformed is never found.
func (e *Engine) Search(h *chain.Header, attempts int) (tried int, found bool) {
	target, err := chain.TargetFromBits(h.Bits)
	if err != nil {
		return 0, false
	}
	var buf [chain.HeaderSize]byte
	h.Append(buf[:0])
	for tried < attempts {
		tried++
		binary.BigEndian.PutUint64(buf[nonceOffset:], h.Nonce)
		first := sha256.Sum256(buf[:])
		if target.Met(sha256.Sum256(first[:])) {
			return tried, true
		}
		h.Nonce++
	}
	return tried, false
}
