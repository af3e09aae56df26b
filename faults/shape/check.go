package shape

// CheckResult is one thing that a host can do, or cannot.
type CheckResult struct {
	// Name is what was tried: "cut links".
	Name string
	OK   bool
	// Optional is true for what netsplit can do without.
	Optional bool
	// Text says in one line what was found: how it works, or why it does not.
	Text string
	// Hint says what to do; empty when OK.
	Hint string
}
