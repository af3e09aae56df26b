package shape

// CheckResult says whether a host has one ability.
type CheckResult struct {
	// Name is what was tried: "cut links".
	Name string
	OK   bool
	// Optional is true for what netsplit does not need.
	Optional bool
	// Text says in one line how it works, or why it does not.
	Text string
	// Hint says what to do about it; empty when OK.
	Hint string
}
