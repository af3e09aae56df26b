//go:build linux

package shape_test

import (
	"testing"

	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

func TestCheckFindsWhatThisHostCanDo(t *testing.T) {
	shapetest.RequireRoot(t)
	results := shape.Check(t.Context())
	if len(results) != 4 {
		t.Fatalf("%d results", len(results))
	}
	for _, r := range results {
		t.Logf("%+v", r)
		if !r.OK && !r.Optional {
			t.Errorf("%s: %s", r.Name, r.Text)
		}
		if r.OK == (r.Hint != "") {
			t.Errorf("%s: OK is %v and the hint is %q", r.Name, r.OK, r.Hint)
		}
	}
}
