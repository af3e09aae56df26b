// Package version is the one place that knows which version of netsplit this is: command line, node, agent and reports
// all say the same.
package version

import (
	"runtime/debug"
	"sync"
)

// override is set by the linker for releases: -ldflags "-X github.com/netsplit/netsplit/node/version.override=v1.2.3".
var override string

// String is the version of this program: the one the linker was given, else the module's, else the commit that it was
// built from, else "devel".
var String = sync.OnceValue(func() string {
	if override != "" {
		return override
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
})
