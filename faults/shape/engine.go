package shape

import (
	"errors"
	"hash/fnv"
)

// Config configures an Engine.
type Config struct {
	// Testnet is the testnet's ID; it names the table and seeds jitter.
	Testnet string
	// Bridge is the name of the testnet's bridge. Where delays need bridge netfilter and it is off, it is switched on for
	// this bridge alone; with an empty name it must be on already.
	Bridge string
	// ProtectHost drops what nodes send to addresses of the host that carries the bridge, other than replies; it needs Bridge.
	ProtectHost bool
	// Record, if not nil, is called with the name of the table and the number of the queue (0: none) before the table is
	// created. Open returns its error.
	Record func(table string, queue uint16) error
}

// ErrNoDelay is wrapped by Apply's error where the kernel cannot delay packets.
var ErrNoDelay = errors.New("this kernel cannot delay packets")

// ErrUnsupported is returned where the host is not Linux.
var ErrUnsupported = errors.New("links can be shaped on Linux only")

// TableName is the name of a testnet's nftables table.
func TableName(testnet string) string { return "netsplit-" + testnet }

// seed makes jitter the same in every run with the same testnet ID.
func (c Config) seed() uint64 {
	h := fnv.New64a()
	h.Write([]byte(c.Testnet))
	return h.Sum64()
}
