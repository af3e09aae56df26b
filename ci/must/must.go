// Package must ends a test at the first error of its set-up or of a call that must not fail. It is for tests alone.
package must

import "testing"

// Do ends the test if err is not nil.
func Do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Get takes the two results of a call. The function that it returns gives the value, or ends the test if there was an error:
//
//	f := must.Get(os.Open(path))(t)
func Get[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
