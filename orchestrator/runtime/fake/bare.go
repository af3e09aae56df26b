package fake

import "github.com/netsplit/netsplit/orchestrator/runtime"

// bare has the methods of runtime.Runtime and runtime.Reacher and no others.
type bare struct {
	runtime.Runtime
	runtime.Reacher
}

// WithoutShaper returns r without the ability to change links, for tests of those who need it.
func WithoutShaper(r *Runtime) runtime.Runtime { return bare{Runtime: r, Reacher: r} }
