package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/netsplit/netsplit/node/chain"
)

// Bytes of each message before its variable part, the type's byte included.
const (
	helloPrefix     = 1 + 4 + 32 + 32 + 8 + 32 + 1
	pingSize        = 1 + 8
	invPrefix       = 1 + 1 + 2
	getBlocksPrefix = 1 + 2
	blocksPrefix    = 1 + 1 + 2
	addrsPrefix     = 1 + 2
	addrPrefix      = 32 + 1
)

// Size is the length of m's encoding in bytes. It does not encode and does not allocate.
func Size(m Message) int {
	switch m := m.(type) {
	case *Hello:
		return helloPrefix + len(m.Addr)
	case *Ping, *Pong:
		return pingSize
	case *Tx:
		return 1 + chain.TxSize
	case *Block:
		return 1 + m.Block.Size()
	case *Inv:
		return invPrefix + 32*len(m.Hashes)
	case *Get:
		return invPrefix + 32*len(m.Hashes)
	case *GetBlocks:
		return getBlocksPrefix + 32*len(m.Locator)
	case *Blocks:
		n := blocksPrefix
		for _, b := range m.Blocks {
			n += 4 + b.Size()
		}
		return n
	case *Addrs:
		n := addrsPrefix
		for i := range m.Addrs {
			n += addrPrefix + len(m.Addrs[i].Addr)
		}
		return n
	}
	panic(fmt.Sprintf("wire: size of unknown message %T", m))
}

// Encode is the canonical encoding of m: one byte of type, then its fields in order, big-endian; counts have two bytes,
// address lengths one, and every block in Blocks is preceded by its length in four bytes. Encode
// panics on a message that Check rejects.
func Encode(m Message) []byte { return Append(make([]byte, 0, Size(m)), m) }

// Append appends Encode(m) to b.
func Append(b []byte, m Message) []byte {
	if err := Check(m); err != nil {
		panic("wire: encode: " + err.Error())
	}
	b = append(b, byte(m.Type()))
	switch m := m.(type) {
	case *Hello:
		b = binary.BigEndian.AppendUint32(b, m.Version)
		b = append(append(b, m.Genesis[:]...), m.Head[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(m.Height))
		b = append(b, m.Work[:]...)
		return appendAddr(b, m.Addr)
	case *Ping:
		return binary.BigEndian.AppendUint64(b, m.Nonce)
	case *Pong:
		return binary.BigEndian.AppendUint64(b, m.Nonce)
	case *Tx:
		return m.Tx.Append(b)
	case *Block:
		return m.Block.Append(b)
	case *Inv:
		return appendHashes(append(b, byte(m.Item)), m.Hashes)
	case *Get:
		return appendHashes(append(b, byte(m.Item)), m.Hashes)
	case *GetBlocks:
		return appendHashes(b, m.Locator)
	case *Blocks:
		return appendBlocks(b, m)
	case *Addrs:
		b = binary.BigEndian.AppendUint16(b, uint16(len(m.Addrs)))
		for i := range m.Addrs {
			b = appendAddr(append(b, m.Addrs[i].ID[:]...), m.Addrs[i].Addr)
		}
	}
	return b
}

func appendAddr(b []byte, a string) []byte {
	return append(append(b, byte(len(a))), a...)
}

func appendHashes(b []byte, hashes []chain.Hash) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(hashes)))
	for i := range hashes {
		b = append(b, hashes[i][:]...)
	}
	return b
}

func appendBlocks(b []byte, m *Blocks) []byte {
	var more byte
	if m.More {
		more = 1
	}
	b = binary.BigEndian.AppendUint16(append(b, more), uint16(len(m.Blocks)))
	for _, block := range m.Blocks {
		b = binary.BigEndian.AppendUint32(b, uint32(block.Size()))
		b = block.Append(b)
	}
	return b
}
