package shape

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape/lab"
	"github.com/netsplit/netsplit/faults/shape/netns"
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/probe"
)

const (
	// checkDelay is the delay that Check requests, and checkError how late packets may be beyond it.
	checkDelay = 20 * time.Millisecond
	checkError = 5 * time.Millisecond
)

// Check tests what this host's kernel can do, in fresh network namespaces that it removes again: it measures that packets
// are really dropped and really delayed. It needs root and takes less than a second.
func Check(ctx context.Context) []CheckResult {
	l, err := lab.New(2)
	if err != nil {
		return []CheckResult{{
			Name: "make network namespaces", Text: oneLine(err),
			Hint: "run as root, on a kernel with network namespaces, bridges and veth (modprobe bridge veth)",
		}}
	}
	defer l.Close()
	out := []CheckResult{{Name: "make network namespaces", OK: true, Text: "namespaces, a bridge and veth pairs can be made"}}
	return append(append(out, checkLinks(ctx, l)...), checkNetem(l))
}

// checkLinks tests cutting and delaying links.
func checkLinks(ctx context.Context, l *lab.Lab) []CheckResult {
	cut := CheckResult{Name: "cut links", Hint: "needs Linux 5.12 with nftables for the bridge family (modprobe nf_tables), and CAP_NET_ADMIN"}
	delay := CheckResult{Name: "delay links", Text: "not tested, because links cannot be cut"}
	var e *Engine
	err := netns.Do(l.Bridge, func() (err error) {
		e, err = Open(Config{Testnet: "check", Bridge: l.BridgeIf})
		return err
	})
	if err != nil {
		cut.Text = oneLine(err)
		return []CheckResult{cut, delay}
	}
	c := checker{lab: l, engine: e, prober: probe.New()}
	defer c.prober.Close()
	defer e.Close()
	if err := c.cut(ctx); err != nil {
		cut.Text = oneLine(err)
	} else {
		cut.OK, cut.Hint, cut.Text = true, "", "nftables in the bridge family, in a table that the kernel removes with its owner"
	}
	if err := c.delay(ctx); err != nil {
		delay.Text = oneLine(err)
		delay.Hint = "needs nfnetlink_queue and the nft queue expression or the xt NFQUEUE target" +
			" (modprobe nfnetlink_queue nft_queue xt_NFQUEUE br_netfilter)"
	} else {
		delay.OK, delay.Text = true, "netfilter queue: "+e.Via()
	}
	return []CheckResult{cut, delay}
}

// oneLine is an error in one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// applier is the part of an Engine that checker uses.
type applier interface {
	Apply(Desired) error
	Via() string
}

// checker measures the one link of a lab of two nodes.
type checker struct {
	lab    *lab.Lab
	engine applier
	prober *probe.Prober
}

// cut checks that packets pass, do not when the link is cut, and pass again.
func (c *checker) cut(ctx context.Context) error {
	pair, err := c.pair()
	if err != nil {
		return err
	}
	healed := Desired{}
	severed := Desired{Cut: map[nft.Pair]struct{}{pair: {}}}
	for _, step := range []struct {
		want     Desired
		received bool
	}{{healed, true}, {severed, false}, {healed, true}} {
		if err := c.engine.Apply(step.want); err != nil {
			return err
		}
		m, err := c.measure(ctx)
		if err != nil {
			return err
		}
		if (m.Received == m.Sent) != step.received || (m.Received == 0) == step.received {
			return fmt.Errorf("with %d links cut, %d of %d packets arrived", len(step.want.Cut), m.Received, m.Sent)
		}
	}
	return nil
}

// delay checks that packets are delayed by the requested time.
func (c *checker) delay(ctx context.Context) error {
	pair, err := c.pair()
	if err != nil {
		return err
	}
	if err := c.engine.Apply(Desired{Shape: map[nft.Pair]faults.Shape{pair: {Delay: checkDelay}}}); err != nil {
		return err
	}
	m, err := c.measure(ctx)
	if err != nil {
		return err
	}
	if m.Received != m.Sent || m.Median < checkDelay-time.Millisecond || m.Median > checkDelay+checkError {
		return fmt.Errorf("%s: requested %v, %d of %d packets arrived, median delay %v", c.engine.Via(), checkDelay, m.Received, m.Sent, m.Median)
	}
	return nil
}

func (c *checker) pair() (nft.Pair, error) {
	return nft.PairOf(c.lab.Nodes[0].Addr, c.lab.Nodes[1].Addr)
}

// measure probes the link.
func (c *checker) measure(ctx context.Context) (faults.Measurement, error) {
	hosts := []probe.Host{
		{Node: "a", Addr: c.lab.Nodes[0].Addr, Netns: c.lab.Nodes[0].Path},
		{Node: "b", Addr: c.lab.Nodes[1].Addr, Netns: c.lab.Nodes[1].Path},
	}
	m, err := c.prober.Probe(ctx, hosts, []faults.Link{{From: "a", To: "b"}},
		faults.ProbePlan{Count: 5, Interval: 5 * time.Millisecond, Wait: 100 * time.Millisecond})
	if err != nil {
		return faults.Measurement{}, err
	}
	return m[0], nil
}

// checkNetem reports whether the kernel has sch_netem, which no engine uses yet.
func checkNetem(l *lab.Lab) CheckResult {
	r := CheckResult{Name: "sch_netem", Optional: true, OK: true, Text: "present"}
	err := netns.Do(l.Bridge, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.QdiscAdd(netlink.NewNetem(netlink.QdiscAttrs{
			LinkIndex: lo.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT,
		}, netlink.NetemQdiscAttrs{Latency: 1000}))
	})
	if err != nil {
		r.OK, r.Text = false, fmt.Sprintf("not usable: %v", err)
		r.Hint = "not needed: delays use the netfilter queue"
	}
	return r
}
