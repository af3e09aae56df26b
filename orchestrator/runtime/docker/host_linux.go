package docker

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// hostPrefixes returns every IPv4 prefix that this host has a route to, in any of its routing tables, and those of its
// addresses. Default routes are left out, also those in pieces such as 0.0.0.0/1, and routes that refuse packets.
func hostPrefixes() (routes, addrs []netip.Prefix, err error) {
	all, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, nil, fmt.Errorf("list the host's routes: %w", err)
	}
	own, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, nil, fmt.Errorf("list the host's addresses: %w", err)
	}
	for _, r := range all {
		if p, ok := toPrefix(r.Dst); ok && !slices.Contains(refusing, r.Type) {
			routes = append(routes, p)
		}
	}
	for _, a := range own {
		if p, ok := toPrefix(a.IPNet); ok {
			addrs = append(addrs, p)
		}
	}
	return routes, addrs, nil
}

// refusing are the types of routes that lead nowhere.
var refusing = []int{unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_THROW}

// routeTo returns the name of the interface through which this host sends packets to an address, by its routing rules.
func routeTo(addr netip.Addr) (string, error) {
	routes, err := netlink.RouteGet(addr.AsSlice())
	if err != nil {
		return "", err
	}
	link, err := net.InterfaceByIndex(routes[0].LinkIndex)
	if err != nil {
		return "", err
	}
	return link.Name, nil
}

// maxFiles is how many descriptors this process may have.
func maxFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return limit.Cur
}

// memory is how much memory this host has, with its swap space, and how much is available for new processes, in bytes; 0 where
// that is not known.
func memory() (total, available uint64) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		var kib uint64
		for _, name := range []string{"MemTotal", "SwapTotal"} {
			if n, _ := fmt.Sscanf(line, name+": %d kB", &kib); n == 1 {
				total += kib << 10
			}
		}
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 {
			available = kib << 10
		}
	}
	return total, available
}

// toPrefix converts; it refuses a default route, or half of one, which would overlap with everything.
func toPrefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP.To4())
	bits, _ := n.Mask.Size()
	if !ok || bits < pools[0].Bits() {
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
	now := processID(pid)
	if now == "" && errors.Is(unix.Kill(pid, 0), unix.EPERM) {
		return false // it runs, as another user, and /proc hides it
	}
	return now != id
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
