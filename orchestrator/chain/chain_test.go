package chain

import (
	"context"
	"errors"
	"testing"
)

func TestPollTx(t *testing.T) {
	polls := 0
	if err := PollTx(t.Context(), func() bool { polls++; return polls == 2 }); err != nil || polls != 2 {
		t.Errorf("%v after %d polls", err, polls)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := PollTx(ctx, func() bool { return false }); !errors.Is(err, cause) {
		t.Errorf("error %v, want the context's cause", err)
	}
	if err := PollTx(ctx, func() bool { return true }); err != nil {
		t.Errorf("a result of the last poll is lost: %v", err)
	}
}
