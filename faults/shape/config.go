package shape

import (
	"errors"
	"hash/fnv"
)

// Config says whose faults an Engine owns.
type Config struct {
	// Testnet is the testnet's ID; it names the table and seeds jitter.
	Testnet string
	// Bridge is the name of the testnet's bridge. Where delays need bridge netfilter and it is off, it is switched on for
	// this bridge alone; with an empty name it must be on already.
	Bridge string
	// Record, if not nil, is told the name of the table and the number of the queue (0: none) before the table is made.
	// Its error ends Open.
	Record func(table string, queue uint16) error
}

// ErrNoDelay is wrapped by the error of asking an engine for a delay that its kernel cannot make.
var ErrNoDelay = errors.New("this kernel cannot delay packets")

// ErrUnsupported is returned where faults cannot be made at all because the host is not Linux.
var ErrUnsupported = errors.New("links can be shaped on Linux only")

// TableName is the name of a testnet's nftables table.
func TableName(testnet string) string { return "netsplit-" + testnet }

// seed makes jitter the same in every run of one testnet ID.
func (c Config) seed() uint64 {
	h := fnv.New64a()
	h.Write([]byte(c.Testnet))
	return h.Sum64()
}
