package daemon

import (
	"os"
	"syscall"
)

// maxRSS is the largest resident set of a process that ended, in MiB.
func maxRSS(p *os.ProcessState) float64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return float64(usage.Maxrss) / 1024
}
