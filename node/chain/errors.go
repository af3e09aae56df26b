package chain

import (
	"errors"
	"fmt"
)

// ErrInvalid is wrapped by every error that says that a block can never be valid, at no node and at no time.
var ErrInvalid = errors.New("invalid block")

// ErrFuture says that a header's time is too far ahead of the node's clock: the block may become acceptable later.
var ErrFuture = errors.New("block time is too far in the future")

// Why a block or a transaction is refused. A block's errors wrap ErrInvalid too.
var (
	ErrVersion   = errors.New("unknown header version")
	ErrHeight    = errors.New("height is not the parent's plus one")
	ErrBits      = errors.New("wrong difficulty bits")
	ErrProof     = errors.New("proof of work does not meet the target")
	ErrTimeOld   = errors.New("block time is not after the median of its ancestors")
	ErrParent    = errors.New("parent is invalid")
	ErrTooManyTx = errors.New("too many transactions")
	ErrTxRoot    = errors.New("transactions do not match the header's root")
	ErrStateRoot = errors.New("state root does not match the executed state")
	ErrSupply    = errors.New("supply overflows")

	ErrSignature = errors.New("bad signature")
	ErrAmount    = errors.New("amount is zero")
	ErrOverflow  = errors.New("amount and fee overflow")
	ErrNonce     = errors.New("wrong nonce")
	ErrFunds     = errors.New("insufficient balance")
)

// Invalid builds the error of a block that can never be valid: it wraps ErrInvalid and reason.
func Invalid(reason error, format string, args ...any) error {
	return fmt.Errorf("%w: %w: %s", ErrInvalid, reason, fmt.Sprintf(format, args...))
}
