package chainspec

import (
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/testnets/strictyaml"
	"go.uber.org/goleak"
)

// TestAStepThatCannotBeStoppedIsLeft: a comparison of what looks small and is huge cannot be interrupted. The run does not
// wait for it.
func TestAStepThatCannotBeStoppedIsLeft(t *testing.T) {
	q, mistake := compileQuery(nil, strictyaml.Pos{}, `reduce range(27) as $i (1; [., .]) | . == .`)
	if mistake != nil {
		t.Fatal(mistake)
	}
	before := goleak.IgnoreCurrent()
	begun := time.Now()
	_, err := q.Run(t.Context(), nil)
	if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "does not end within 1s") || took > 10*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	// It takes seven seconds where nothing else runs, and ends by itself.
	if err := goleak.Find(before); err == nil {
		t.Error("the comparison was over: this tests nothing")
	}
}
