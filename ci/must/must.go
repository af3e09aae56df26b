// Package must holds the checks that tests of several packages share. Those that say so end the test at the first error, the others
// only fail it. It is for tests alone.
package must

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Do ends the test if err is not nil.
func Do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Check fails the test if err is not nil.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// Get takes the two results of a call. The function that it returns gives the value, or ends the test if there was an error:
//
//	f := must.Get(os.Open(path))(t)
func Get[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		Do(t, err)
		return v
	}
}

// Equal fails the test unless two values are equal.
func Equal(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Fail fails the test unless the last of a call's results is an error that contains a text, which may be empty, or that wraps
// an error: must.Fail(t, "busy")(f()).
func Fail(t testing.TB, want any) func(results ...any) {
	t.Helper()
	return func(results ...any) {
		t.Helper()
		err, _ := results[len(results)-1].(error)
		target, isError := want.(error)
		if err == nil || isError && !errors.Is(err, target) || !isError && !strings.Contains(err.Error(), fmt.Sprint(want)) {
			t.Errorf("error %v, want one with \"%v\"", err, want)
		}
	}
}

// Have skips the test if err says that something is missing which not every machine has: "docker" or "root". It ends the test instead
// where the environment variable NETSPLIT_REQUIRE names that.
func Have(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case Required(what):
		t.Fatalf("NETSPLIT_REQUIRE names %s: %v", what, err)
	default:
		t.Skip(err)
	}
}

// Required reports whether NETSPLIT_REQUIRE names something.
func Required(what string) bool {
	return slices.Contains(strings.Fields(os.Getenv("NETSPLIT_REQUIRE")), what)
}
