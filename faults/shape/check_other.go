//go:build !linux

package shape

import "context"

// Check reports that this system cannot shape links by itself.
func Check(context.Context) []CheckResult {
	return []CheckResult{{
		Name: "shape links", Text: "this system is not Linux",
		Hint: "use the docker runtime, whose engine runs on Linux, or the simulator",
	}}
}
