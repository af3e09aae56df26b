package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/netsplit/netsplit/node/chain"
)

// Decode reads one message from all of b. It accepts exactly what Encode produces; every error wraps ErrMalformed. The
// message does not keep b.
func Decode(b []byte) (Message, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: empty", ErrMalformed)
	}
	if len(b) > MaxMessageSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrMalformed, len(b), MaxMessageSize)
	}
	t, body := Type(b[0]), b[1:]
	switch t {
	case TypeHello:
		return decodeHello(body)
	case TypePing, TypePong:
		return decodePing(t, body)
	case TypeTx:
		tx, err := chain.DecodeTx(body)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, t, err)
		}
		return NewTx(tx), nil
	case TypeBlock:
		block, err := chain.DecodeBlock(body)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, t, err)
		}
		return &Block{Block: block}, nil
	case TypeInv, TypeGet:
		return decodeInv(t, body)
	case TypeGetBlocks:
		locator, err := decodeHashes(t, body, MaxLocator)
		if err != nil {
			return nil, err
		}
		return &GetBlocks{Locator: locator}, nil
	case TypeBlocks:
		return decodeBlocks(body)
	case TypeAddrs:
		return decodeAddrs(body)
	}
	return nil, fmt.Errorf("%w: unknown type %d", ErrMalformed, b[0])
}

// wantLen checks that b has exactly n bytes.
func wantLen(t Type, b []byte, n int) error {
	if len(b) != n {
		return malformed(t, "want %d bytes after the type, got %d", n, len(b))
	}
	return nil
}

func decodeHello(b []byte) (Message, error) {
	const fixed = helloPrefix - 1
	if len(b) < fixed {
		return nil, malformed(TypeHello, "%d bytes after the type, want at least %d", len(b), fixed)
	}
	m := &Hello{Version: binary.BigEndian.Uint32(b), Height: chain.Height(binary.BigEndian.Uint64(b[68:]))}
	copy(m.Genesis[:], b[4:])
	copy(m.Head[:], b[36:])
	copy(m.Work[:], b[76:])
	if err := wantLen(TypeHello, b, fixed+int(b[fixed-1])); err != nil {
		return nil, err
	}
	m.Addr = string(b[fixed:])
	if err := checkAddr(TypeHello, m.Addr); err != nil {
		return nil, err
	}
	return m, nil
}

func decodePing(t Type, b []byte) (Message, error) {
	if err := wantLen(t, b, pingSize-1); err != nil {
		return nil, err
	}
	nonce := binary.BigEndian.Uint64(b)
	if t == TypePong {
		return &Pong{Nonce: nonce}, nil
	}
	return &Ping{Nonce: nonce}, nil
}

func decodeInv(t Type, b []byte) (Message, error) {
	if len(b) == 0 {
		return nil, malformed(t, "no item")
	}
	item := Item(b[0])
	if item != ItemTx && item != ItemBlock {
		return nil, malformed(t, "unknown item %d", item)
	}
	hashes, err := decodeHashes(t, b[1:], MaxInv)
	if err != nil {
		return nil, err
	}
	if t == TypeGet {
		return &Get{Item: item, Hashes: hashes}, nil
	}
	return &Inv{Item: item, Hashes: hashes}, nil
}

// decodeHashes reads 1 to most hashes.
func decodeHashes(t Type, b []byte, most int) ([]chain.Hash, error) {
	if len(b) < 2 {
		return nil, malformed(t, "no count")
	}
	n := int(binary.BigEndian.Uint16(b))
	if err := checkCount(t, n, 1, most); err != nil {
		return nil, err
	}
	if err := wantLen(t, b[2:], 32*n); err != nil {
		return nil, err
	}
	hashes := make([]chain.Hash, n)
	for i := range hashes {
		copy(hashes[i][:], b[2+32*i:])
	}
	return hashes, nil
}

func decodeBlocks(b []byte) (Message, error) {
	const fixed = blocksPrefix - 1
	if len(b) < fixed {
		return nil, malformed(TypeBlocks, "no count")
	}
	if b[0] > 1 {
		return nil, malformed(TypeBlocks, "flag is %d, want 0 or 1", b[0])
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	if err := checkCount(TypeBlocks, n, 0, MaxBlocks); err != nil {
		return nil, err
	}
	m, rest := &Blocks{More: b[0] == 1}, b[fixed:]
	for range n {
		if len(rest) < 4 || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-4) {
			return nil, malformed(TypeBlocks, "truncated")
		}
		size := int(binary.BigEndian.Uint32(rest))
		block, err := chain.DecodeBlock(rest[4 : 4+size])
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, TypeBlocks, err)
		}
		m.Blocks = append(m.Blocks, block)
		rest = rest[4+size:]
	}
	if len(rest) != 0 {
		return nil, malformed(TypeBlocks, "%d bytes too many", len(rest))
	}
	return m, nil
}

func decodeAddrs(b []byte) (Message, error) {
	if len(b) < 2 {
		return nil, malformed(TypeAddrs, "no count")
	}
	n := int(binary.BigEndian.Uint16(b))
	if err := checkCount(TypeAddrs, n, 0, MaxAddrs); err != nil {
		return nil, err
	}
	m, rest := &Addrs{}, b[2:]
	for range n {
		if len(rest) < addrPrefix || int(rest[addrPrefix-1]) > len(rest)-addrPrefix {
			return nil, malformed(TypeAddrs, "truncated")
		}
		end := addrPrefix + int(rest[addrPrefix-1])
		a := Addr{ID: chain.PeerID(rest[:32]), Addr: string(rest[addrPrefix:end])}
		if err := checkAddr(TypeAddrs, a.Addr); err != nil {
			return nil, err
		}
		m.Addrs = append(m.Addrs, a)
		rest = rest[end:]
	}
	if len(rest) != 0 {
		return nil, malformed(TypeAddrs, "%d bytes too many", len(rest))
	}
	return m, nil
}
