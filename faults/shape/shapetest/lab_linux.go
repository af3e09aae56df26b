package shapetest

import (
	"os"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/faults/shape/lab"
)

// RequireRoot skips the test where the process is not root, unless NETSPLIT_REQUIRE contains "root".
func RequireRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if strings.Contains(os.Getenv("NETSPLIT_REQUIRE"), "root") {
		tb.Fatal("NETSPLIT_REQUIRE demands root, and this process is not")
	}
	tb.Skip("needs root: makes network namespaces")
}

// Lab builds a lab of n nodes and removes it when the test ends.
func Lab(tb testing.TB, n int) *lab.Lab {
	tb.Helper()
	RequireRoot(tb)
	l, err := lab.New(n)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(l.Close)
	return l
}
