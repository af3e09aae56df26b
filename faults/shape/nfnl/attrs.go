package nfnl

import (
	"encoding/binary"
	"iter"
)

// Attrs yields the attributes in b, kinds without the nested and byte-order flags. A malformed tail ends the sequence.
func Attrs(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			n := int(binary.NativeEndian.Uint16(b))
			if n < 4 || n > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&0x3fff, b[4:n]) {
				return
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
}

// Find returns the first attribute of a kind, or nil.
func Find(b []byte, kind uint16) []byte {
	for k, v := range Attrs(b) {
		if k == kind {
			return v
		}
	}
	return nil
}
