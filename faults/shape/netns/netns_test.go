//go:build linux

package netns

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestDo_Errors(t *testing.T) {
	err := Do("/no/such/namespace", func() error { t.Error("called"); return nil })
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/no/such/namespace") {
		t.Errorf("missing namespace: %v", err)
	}
	want := errors.New("own")
	if err := Do("", func() error { return want }); err != want {
		t.Errorf("own namespace: %v, want fn's error", err)
	}
}
