package wire

import (
	"errors"
	"fmt"

	"github.com/netsplit/netsplit/node/chain"
)

// ErrMalformed is wrapped by every error of Decode and Check.
var ErrMalformed = errors.New("malformed message")

// ErrFrameSize is the error of a frame that claims to be longer than MaxMessageSize.
var ErrFrameSize = errors.New("frame is too large")

func malformed(t Type, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrMalformed, t, fmt.Sprintf(format, args...))
}

// Check returns an error unless m is within the limits that Decode enforces. The simulator, which does not encode messages,
// uses it for the same limits. It checks counts and lengths only, and does not allocate on success.
func Check(m Message) error {
	switch m := m.(type) {
	case *Hello:
		return checkAddr(TypeHello, m.Addr)
	case *Block:
		return checkBlock(TypeBlock, m.Block)
	case *Inv:
		return checkItems(TypeInv, m.Item, len(m.Hashes))
	case *Get:
		return checkItems(TypeGet, m.Item, len(m.Hashes))
	case *GetBlocks:
		return checkCount(TypeGetBlocks, len(m.Locator), 1, MaxLocator)
	case *Blocks:
		return checkBlocks(m)
	case *Addrs:
		return checkAddrs(m)
	case *Ping, *Pong, *Tx:
		return nil
	}
	return fmt.Errorf("%w: unknown type %T", ErrMalformed, m)
}

func checkCount(t Type, n, least, most int) error {
	if n < least || n > most {
		return malformed(t, "%d entries, want %d to %d", n, least, most)
	}
	return nil
}

func checkItems(t Type, item Item, n int) error {
	if item != ItemTx && item != ItemBlock {
		return malformed(t, "unknown item %d", item)
	}
	return checkCount(t, n, 1, MaxInv)
}

func checkBlock(t Type, b *chain.Block) error {
	if b == nil {
		return malformed(t, "no block")
	}
	if len(b.Txs) > chain.MaxBlockTxs {
		return malformed(t, "block of %d transactions, at most %d are allowed", len(b.Txs), chain.MaxBlockTxs)
	}
	return nil
}

func checkBlocks(m *Blocks) error {
	if err := checkCount(TypeBlocks, len(m.Blocks), 0, MaxBlocks); err != nil {
		return err
	}
	size := 0
	for _, b := range m.Blocks {
		if err := checkBlock(TypeBlocks, b); err != nil {
			return err
		}
		size += 4 + b.Size()
	}
	if size > MaxMessageSize-blocksPrefix {
		return malformed(TypeBlocks, "%d bytes of blocks", size)
	}
	return nil
}

func checkAddrs(m *Addrs) error {
	if err := checkCount(TypeAddrs, len(m.Addrs), 0, MaxAddrs); err != nil {
		return err
	}
	for i := range m.Addrs {
		if err := checkAddr(TypeAddrs, m.Addrs[i].Addr); err != nil {
			return err
		}
	}
	return nil
}

// checkAddr accepts short printable ASCII, so that an address can be logged as it is.
func checkAddr(t Type, a string) error {
	if len(a) > MaxAddrLen {
		return malformed(t, "address of %d bytes, at most %d are allowed", len(a), MaxAddrLen)
	}
	for i := range len(a) {
		if a[i] <= ' ' || a[i] > '~' {
			return malformed(t, "address has the byte 0x%02x", a[i])
		}
	}
	return nil
}
