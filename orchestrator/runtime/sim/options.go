package sim

import (
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/node/chain"
)

// Defaults of Options.
const (
	DefaultBaseDelay   = 500 * time.Microsecond
	DefaultDialTimeout = 2 * time.Second
)

// defaultEpoch is fixed, so that runs of one seed are equal to the byte.
var defaultEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Options says what a simulated network is like. The zero value is ready for use.
type Options struct {
	// Seed is the seed of the network's own random choices (jitter). Nodes have their own seeds.
	Seed uint64
	// BaseDelay is the one-way delay of every link without faults, DefaultBaseDelay if it is not positive.
	BaseDelay time.Duration
	// DialTimeout is after how long a dial without an answer fails, DefaultDialTimeout if it is not positive.
	DialTimeout time.Duration
	// Epoch is the wall-clock time at which virtual time begins; if zero, 2025-01-01T00:00:00Z.
	Epoch time.Time
	// RealTime makes virtual time never run ahead of the machine's clock, which is for demonstrations and for tests of
	// interrupts. It changes nothing in a history.
	RealTime bool
	// Plant, if not nil, plants bugs in nodes, for tests of those who must notice them. It is called when a process of a
	// node starts, from the goroutine that starts it, and returns the machine that is driven in its place: usually one
	// that embeds m and drops or changes some of the inputs that m gets and of the effects that it asks for. Requests to
	// the node's API still go to the node itself.
	Plant func(id faults.NodeID, m Machine) Machine
	// Memo is what the nodes share; nil: one of the testnet's own. Tests plant one that checks signatures wrongly.
	Memo *chain.Memo
}

func (o Options) withDefaults() Options {
	if o.BaseDelay <= 0 {
		o.BaseDelay = DefaultBaseDelay
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = DefaultDialTimeout
	}
	if o.Epoch.IsZero() {
		o.Epoch = defaultEpoch
	}
	if o.Memo == nil {
		o.Memo = chain.NewMemo()
	}
	return o
}
