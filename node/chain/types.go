// Package chain holds what all nodes must agree on: transactions, blocks, the ledger's rules and state, the block tree
// and the rule that chooses among forks. It is pure: the same blocks give the same state, everywhere.
package chain

// Hash is a SHA-256d digest of a canonical encoding. It prints as lower-case hex, first byte first, and as a proof of
// work it is compared as a big-endian number.
type Hash [32]byte

// Address is an account: its ed25519 public key.
type Address [32]byte

// PeerID is a node's identity on the network: its ed25519 public key, the same key as its account's.
type PeerID = Address

// Signature is an ed25519 signature.
type Signature [64]byte

// Amount is a number of the smallest units of the currency.
type Amount uint64

// Height is a block's distance from genesis, which has height 0.
type Height uint64

// Millis is a time in milliseconds since the Unix epoch, as block headers carry it.
type Millis int64

// Tx is a signed transfer.
type Tx struct {
	From   Address
	To     Address
	Amount Amount // at least 1
	Fee    Amount
	Nonce  uint64 // the number of transfers that From has sent before
	Sig    Signature
}

// Header commits to a block. Its canonical encoding has 160 bytes (see wire.go); its hash is the block's.
type Header struct {
	Version   uint32 // 1
	Height    Height
	Parent    Hash
	TxRoot    Hash // SHA-256d of the concatenated transaction ids
	StateRoot Hash // of the state after the block, see State.Root
	Miner     Address
	Time      Millis
	Bits      uint32 // compact target
	Nonce     uint64
}

// Block is a header and the transactions it commits to. A Block is immutable once built: nodes share it.
type Block struct {
	Header
	Txs []Tx
}

// Limits of a block. The encoding refuses more.
const (
	HeaderSize   = 160
	TxSize       = 152
	MaxBlockTxs  = 4096
	MaxBlockSize = HeaderSize + 4 + MaxBlockTxs*TxSize
)

// Genesis is what all nodes of a testnet must agree on before they start. Its JSON form is in every node's
// configuration and in every trace.
type Genesis struct {
	// Network names the testnet; two networks with different names never accept each other's transactions.
	Network string `json:"network"`
	Time    Millis `json:"time_ms"`
	// Bits is the target of block 1.
	Bits uint32 `json:"bits"`
	// Interval is the block interval that the difficulty aims at, and HalfLife the time off schedule that doubles or
	// halves it, in milliseconds (aserti3-2d).
	Interval Millis `json:"interval_ms"`
	HalfLife Millis `json:"half_life_ms"`
	// Subsidy is what each block creates for its miner; its transactions' fees come on top.
	Subsidy Amount  `json:"subsidy"`
	Alloc   []Alloc `json:"alloc"`
}

// Alloc is an account's balance at genesis. Addresses are unique and in ascending order.
type Alloc struct {
	Address Address `json:"address"`
	Amount  Amount  `json:"amount"`
}
