package docker

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
)

// hostPrefixes returns every IPv4 prefix that this host has a route to or an address in, the default route excepted.
func hostPrefixes() ([]netip.Prefix, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list the host's routes: %w", err)
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list the host's addresses: %w", err)
	}
	var out []netip.Prefix
	for _, r := range routes {
		if p, ok := toPrefix(r.Dst); ok {
			out = append(out, p)
		}
	}
	for _, a := range addrs {
		if p, ok := toPrefix(a.IPNet); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// toPrefix converts; it refuses a default route, which would overlap with everything.
func toPrefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP.To4())
	bits, _ := n.Mask.Size()
	if !ok || bits == 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, bits).Masked(), true
}

// ownGroup puts a command into a process group of its own, and kills it when the thread that started it ends.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// processID identifies a running process: "PID-START-NAMESPACE-BOOT". The start time and the boot are part of it because
// process ids are used again. It is empty for a process that has ended.
func processID(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	ns, nerr := os.Readlink("/proc/self/ns/pid") // pid:[NUMBER]
	boot, berr := os.ReadFile("/proc/sys/kernel/random/boot_id")
	// The fields after the command's name, which is in parentheses and may hold anything: state, parent, ... start time.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if nerr != nil || berr != nil || len(boot) < 8 || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fmt.Sprintf("%d-%s-%s-%s", pid, fields[19], strings.Trim(ns, "pid:[]"), boot[:8])
}

// hasEnded reports whether the process with a processID has ended. A process that cannot be seen from here, because it is
// in another PID namespace, counts as running.
func hasEnded(id string) bool {
	self := strings.Split(processID(os.Getpid()), "-")
	parts := strings.Split(id, "-")
	if len(self) != 4 || len(parts) != 4 {
		return false
	}
	pid, err := strconv.Atoi(parts[0])
	switch {
	case err != nil:
		return false
	case parts[3] != self[3]: // an earlier boot
		return true
	case parts[2] != self[2]:
		return false
	}
	return processID(pid) != id
}

// cpuWait reads the kernel's pressure information: for how long some program was ready to run and had no CPU.
func cpuWait() (time.Duration, bool) {
	text, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0, false
	}
	for field := range strings.FieldsSeq(string(text)) { // "some avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS"
		if total, ok := strings.CutPrefix(field, "total="); ok {
			us, err := strconv.ParseInt(total, 10, 64)
			return time.Duration(us) * time.Microsecond, err == nil
		}
	}
	return 0, false
}
