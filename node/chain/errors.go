package chain

import (
	"errors"
	"fmt"
)

// ErrInvalid is wrapped by every error about a block that can never be valid, at any node at any time.
var ErrInvalid = errors.New("invalid block")

// ErrFuture: a header's time is too far ahead of the node's clock. The block may become valid later.
var ErrFuture = errors.New("block time is too far in the future")

// Reasons to refuse a block or a transaction. Errors about a block wrap ErrInvalid too.
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

// Invalid makes an error about a block that can never be valid: it wraps ErrInvalid and reason.
func Invalid(reason error, format string, args ...any) error {
	return fmt.Errorf("%w: %w: %s", ErrInvalid, reason, fmt.Sprintf(format, args...))
}
