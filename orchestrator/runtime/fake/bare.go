package fake

import "github.com/netsplit/netsplit/orchestrator/runtime"

// bare has the methods of runtime.Runtime and no others.
type bare struct {
	runtime.Runtime
}

// WithoutLinkShaper returns r without the ability to change links, for tests of those who need it.
func WithoutLinkShaper(r *Runtime) runtime.Runtime { return bare{r} }
