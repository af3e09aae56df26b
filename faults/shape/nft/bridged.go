//go:build linux

package nft

import (
	"bytes"
	"fmt"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// bridgedSysctl says whether bridged IPv4 packets pass through the ip family's hooks, for all bridges of the namespace.
const bridgedSysctl = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// PassBridged makes bridged packets pass through the ip family's hooks in the network namespace of the calling thread.
// Where the namespace's sysctl does not say so already, it sets the bridge's own attribute, which ends with the bridge.
func PassBridged(bridge string) error {
	on, err := os.ReadFile(bridgedSysctl)
	if err != nil {
		return fmt.Errorf("bridge netfilter is not present (modprobe br_netfilter): %w", err)
	}
	if bytes.Equal(bytes.TrimSpace(on), []byte("1")) {
		return nil
	}
	if bridge == "" {
		return fmt.Errorf("bridged packets do not pass through iptables: sysctl net.bridge.bridge-nf-call-iptables is 0")
	}
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(bridge)))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.IFLA_BR_NF_CALL_IPTABLES, nl.Uint8Attr(1))
	req.AddData(info)
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("switch bridge netfilter on for %s: %w", bridge, err)
	}
	return nil
}
