package pow

import (
	"fmt"

	"github.com/netsplit/netsplit/node/chain"
)

// futureError is the refusal of a header that may become acceptable.
type futureError struct{ time, now chain.Millis }

func (e *futureError) Error() string {
	return fmt.Sprintf("%v: %d ms after the clock, at most %d are allowed", chain.ErrFuture, e.time-e.now, MaxAhead)
}

func (e *futureError) Unwrap() error { return chain.ErrFuture }
