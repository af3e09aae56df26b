//go:build linux

package shape_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/faults/shape"
	"github.com/netsplit/netsplit/faults/shape/netns"
	"github.com/netsplit/netsplit/faults/shape/nft"
	"github.com/netsplit/netsplit/faults/shape/shapetest"
)

// Where delays need bridge netfilter and the host has it switched off, it is switched on for the testnet's bridge; where
// that cannot be, delays are refused and cuts still work.
func TestBridgeNetfilterThatIsOff(t *testing.T) {
	l := shapetest.Lab(t, 2)
	usual := open(t, l, "usual")
	needed := strings.HasPrefix(usual.Via(), string(nft.InIP))
	closing(t, usual)
	if !needed {
		t.Skip("this kernel delays in the bridge family")
	}
	openWith := func(bridge string) (e *shape.Engine) {
		t.Helper()
		err := netns.Do(l.Bridge, func() (err error) {
			if err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0o644); err != nil {
				return err
			}
			e, err = shape.Open(shape.Config{Testnet: "off", Bridge: bridge})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	link := pair(t, l, 0, 1)
	slow := delayed(faults.Shape{Delay: 30 * time.Millisecond}, link)

	for bridge, want := range map[string]string{"": "bridge-nf-call-iptables is 0", "nobridge0": "switch bridge netfilter on for nobridge0"} {
		e := openWith(bridge)
		if e.Name() != "nft" || e.Via() != "" || e.NoDelay() == nil || !strings.Contains(e.NoDelay().Error(), want) {
			t.Errorf("with bridge %q: engine %s, %v, want %q", bridge, e.Name(), e.NoDelay(), want)
		}
		if err := e.Apply(slow); !errors.Is(err, shape.ErrNoDelay) {
			t.Errorf("with bridge %q: delay: %v, want ErrNoDelay", bridge, err)
		}
		apply(t, e, shape.Desired{Cut: map[nft.Pair]struct{}{link: {}}})
		if tr := traffic(t, e); tr != (faults.Traffic{}) {
			t.Errorf("traffic is %+v", tr)
		}
		closing(t, e)
	}

	e := openWith(l.BridgeIf)
	defer closing(t, e)
	w := newWire(t, l.Nodes[0], l.Nodes[1])
	apply(t, e, slow)
	start := time.Now()
	w.send(t)
	w.expect(t, 0, 0)
	if late := time.Since(start); late < 30*time.Millisecond {
		t.Errorf("the packet came after %v, want 30ms", late)
	}
}
