package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Statement is the form of the rule that sends packets to a queue. Kernels are built with one, both or neither.
type Statement string

// The statements.
const (
	QueueExpression Statement = "nft queue expression"
	NFQUEUETarget   Statement = "xt NFQUEUE target"
)

// Hook is where packets are sent to a queue: the prerouting hook of one family.
type Hook string

// The hooks. InIP sees bridged packets only where br_netfilter is present and switched on for the bridge.
const (
	InBridge Hook = "bridge"
	InIP     Hook = "ip"
)

// family is the netfilter protocol family of the hook.
func (h Hook) family() byte {
	if h == InIP {
		return unix.NFPROTO_IPV4
	}
	return unix.NFPROTO_BRIDGE
}

// Via is a way to a queue.
type Via struct {
	Hook      Hook
	Statement Statement
}

// String is "bridge hook, nft queue expression".
func (v Via) String() string { return string(v.Hook) + " hook, " + string(v.Statement) }

// Ways are all ways to a queue, best first: the bridge hook depends on nothing else. Since Linux 6.18 the xt target
// is refused there.
func Ways() []Via {
	return []Via{
		{InBridge, QueueExpression}, {InBridge, NFQUEUETarget},
		{InIP, QueueExpression}, {InIP, NFQUEUETarget},
	}
}

// Queue says where packets of the set "shape" go. The zero Queue means that there is none.
type Queue struct {
	Num uint16
	Via Via
}

// expression is the queue statement. Both forms let packets pass while no process is bound to the queue.
func (q Queue) expression() (expr.Any, error) {
	switch q.Via.Statement {
	case QueueExpression:
		return &expr.Queue{Num: q.Num, Total: 1, Flag: expr.QueueFlagBypass}, nil
	case NFQUEUETarget:
		// struct xt_NFQ_info_v3 {u16 queuenum, queues_total, flags}, padded to XT_ALIGN.
		info := make(xt.Unknown, 8)
		binary.NativeEndian.PutUint16(info[0:], q.Num)
		binary.NativeEndian.PutUint16(info[2:], 1)
		binary.NativeEndian.PutUint16(info[4:], 1) // NFQ_FLAG_BYPASS
		return &expr.Target{Name: "NFQUEUE", Rev: 3, Info: &info}, nil
	}
	return nil, fmt.Errorf("queue %d: unknown statement %q", q.Num, q.Via.Statement)
}

// bridgedSysctl is 1 if bridged IPv4 packets pass through the ip family's hooks, on all bridges of the namespace.
const bridgedSysctl = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// PassBridged makes bridged packets pass through the ip family's hooks in the network namespace of the calling thread.
// Where the namespace's sysctl is off, it sets the attribute of this bridge alone.
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
