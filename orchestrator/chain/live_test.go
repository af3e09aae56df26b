package chain

import (
	"context"
	"errors"
	"testing"
)

// TestFindAgain: a node is asked until it knows, or until ctx ends, whose cause is the error.
func TestFindAgain(t *testing.T) {
	asked := 0
	if err := FindAgain(t.Context(), func() bool { asked++; return asked == 2 }); err != nil || asked != 2 {
		t.Errorf("%v after %d questions", err, asked)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := FindAgain(ctx, func() bool { return false }); !errors.Is(err, why) {
		t.Error(err)
	}
	if err := FindAgain(ctx, func() bool { return true }); err != nil {
		t.Errorf("what was found is lost: %v", err)
	}
}
