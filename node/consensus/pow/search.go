package pow

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"

	"github.com/netsplit/netsplit/node/chain"
)

// Search tries up to attempts nonces from h.Nonce upwards, wrapping around. When one meets the target, it is left in
// h.Nonce and found is true; otherwise h.Nonce is the next one to try. tried is the number of attempts made. For a header
// with malformed bits no nonce is found.
func (e *Engine) Search(h *chain.Header, attempts int) (tried int, found bool) {
	target, err := chain.TargetFromBits(h.Bits)
	if err != nil {
		return 0, false
	}
	s := newSearcher(h)
	for tried < attempts {
		tried++
		if target.Met(s.hash(h.Nonce)) {
			return tried, true
		}
		h.Nonce++
	}
	return tried, false
}

// searcher hashes headers that differ in their nonce only. SHA-256 works on blocks of 64 bytes, and the nonce is in the
// third: the state after two blocks (midstate) is computed once.
type searcher struct {
	digest   restorable
	midstate []byte
	tail     [chain.HeaderSize - 2*sha256.BlockSize]byte
	sum      []byte
}

type restorable interface {
	hash.Hash
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

func newSearcher(h *chain.Header) *searcher {
	var buf [chain.HeaderSize]byte
	h.Append(buf[:0])
	s := &searcher{digest: sha256.New().(restorable), sum: make([]byte, 0, sha256.Size)}
	s.digest.Write(buf[:2*sha256.BlockSize])
	copy(s.tail[:], buf[2*sha256.BlockSize:])
	var err error
	if s.midstate, err = s.digest.MarshalBinary(); err != nil {
		panic("pow: save SHA-256 state: " + err.Error())
	}
	return s
}

// hash is the header's hash with this nonce. It allocates nothing.
func (s *searcher) hash(nonce uint64) chain.Hash {
	binary.BigEndian.PutUint64(s.tail[len(s.tail)-8:], nonce)
	if err := s.digest.UnmarshalBinary(s.midstate); err != nil {
		panic("pow: restore SHA-256 state: " + err.Error())
	}
	s.digest.Write(s.tail[:])
	return sha256.Sum256(s.digest.Sum(s.sum))
}
