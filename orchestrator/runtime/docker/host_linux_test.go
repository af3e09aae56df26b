package docker

import (
	"net"
	"net/netip"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/netsplit/netsplit/ci/must"
)

// inNamespace runs the rest of the test in a network namespace of its own.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		must.Have(t, "root", os.ErrPermission)
	}
	goruntime.LockOSThread() // the thread ends with the test's goroutine, and the namespace with the thread
	must.Get(netns.New())(t)
	must.Do(t, netlink.LinkSetUp(must.Get(netlink.LinkByName("lo"))(t)))
}

// addRoute adds a route over an interface, or one of a type that leads nowhere.
func addRoute(t *testing.T, dst string, link, table, kind int) {
	t.Helper()
	_, to, err := net.ParseCIDR(dst)
	must.Do(t, err)
	r := &netlink.Route{Dst: to, LinkIndex: link, Table: table, Type: kind, Scope: netlink.SCOPE_LINK}
	if kind != 0 {
		r.LinkIndex, r.Scope = 0, netlink.SCOPE_UNIVERSE
	}
	must.Do(t, netlink.RouteAdd(r))
}

// A VPN's routes count in whatever table they are; default routes in pieces, and routes that lead nowhere, do not.
func TestHostPrefixes_AllTables(t *testing.T) {
	inNamespace(t)
	vpn := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "vpn0"}}
	must.Do(t, netlink.LinkAdd(vpn))
	must.Do(t, netlink.LinkSetUp(vpn))
	must.Do(t, netlink.AddrAdd(vpn, must.Get(netlink.ParseAddr("10.8.0.2/24"))(t)))
	addRoute(t, "172.16.0.0/12", vpn.Index, 0, 0)
	addRoute(t, "192.168.0.0/16", vpn.Index, 52, 0) // as Tailscale and WireGuard do
	addRoute(t, "0.0.0.0/1", vpn.Index, 0, 0)       // as OpenVPN does
	addRoute(t, "128.0.0.0/1", vpn.Index, 0, 0)
	addRoute(t, "100.64.0.0/10", 0, 0, unix.RTN_UNREACHABLE)
	routes, addrs, err := hostPrefixes()
	must.Do(t, err)
	for prefix, want := range map[string]bool{
		"172.16.0.0/12": true, "192.168.0.0/16": true, "10.8.0.0/24": true, "0.0.0.0/1": false, "128.0.0.0/1": false, "100.64.0.0/10": false,
	} {
		if got := slices.Contains(routes, netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("%s: %v, want %v, in %v", prefix, got, want, routes)
		}
	}
	if !slices.Contains(addrs, netip.MustParsePrefix("10.8.0.0/24")) {
		t.Errorf("addresses %v", addrs)
	}
	addRoute(t, "10.0.0.0/8", vpn.Index, 0, 0)
	f := &fakeNetworks{}
	if got := must.Get(createNetwork(t.Context(), f, f, networkOptions{testnet: "a", nodes: 3}))(t); !pools[3].Contains(got.Addr()) {
		t.Errorf("with all private ranges taken: %s", got)
	}
}

// A routing rule that takes packets to the nodes is found before nodes are waited for.
func TestCheckRoute_PolicyRule(t *testing.T) {
	inNamespace(t)
	vpn := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "vpn0"}}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "nsptest"}}
	for _, l := range []netlink.Link{vpn, bridge} {
		must.Do(t, netlink.LinkAdd(l))
		must.Do(t, netlink.LinkSetUp(l))
	}
	must.Do(t, netlink.AddrAdd(bridge, must.Get(netlink.ParseAddr("10.9.0.1/24"))(t)))
	node := netip.MustParseAddr("10.9.0.10")
	must.Do(t, checkRoute("nsptest", node))
	addRoute(t, "0.0.0.0/1", vpn.Index, 51820, 0)
	rule := netlink.NewRule()
	rule.Table, rule.Priority = 51820, 100
	must.Do(t, netlink.RuleAdd(rule))
	err := checkRoute("nsptest", node)
	if err == nil || !strings.Contains(err.Error(), "leave this host through vpn0 instead of the testnet's bridge") {
		t.Errorf("with a rule: %v", err)
	}
}
