package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// slack is how much a measured delay may exceed the planned one: the link's own delay, and that of a busy machine.
const slack = 40 * time.Millisecond

// probePlan sends enough packets for a median.
var probePlan = faults.ProbePlan{Count: 9, Interval: 10 * time.Millisecond, Wait: time.Second}

// shaped is a testnet whose links can be changed.
type shaped struct {
	*testnet
	runtime.LinkShaper
}

// links checks all changes of links, on one testnet of three nodes.
func (s suite) links(t *testing.T) {
	rt := s.open(t)
	_, ok := rt.(runtime.LinkShaper)
	closeNow(t, rt)
	switch {
	case !ok && s.caps[Shape]:
		t.Fatalf("%T does not shape links", rt)
	case !ok:
		t.Skipf("%T does not shape links", rt)
	}
	net := s.up(t, 3)
	n := shaped{net, net.rt.(runtime.LinkShaper)}
	t.Run("latency", n.latency)
	t.Run("composition", n.composition)
	t.Run("expiry", n.expiry)
	t.Run("restart", n.layersSurviveRestart)
	t.Run("down", n.probeOfDeadNode)
	t.Run("partition", n.partition)
	t.Run("refused", n.refused)
}

// layer returns a layer with one rule for each link.
func layer(id string, cut bool, s faults.Shape, links ...faults.Link) faults.Layer {
	l := faults.Layer{ID: id, Kind: "test", Text: id, Since: time.Unix(1, 0)}
	for _, k := range links {
		l.Links.Rules = append(l.Links.Rules, faults.Rule{
			From: []faults.NodeID{k.From}, To: []faults.NodeID{k.To}, Cut: cut, Shape: s,
		})
	}
	return l
}

func (n shaped) shape(t *testing.T, layers ...faults.Layer) {
	t.Helper()
	applied := must.Get(n.Shape(t.Context(), layers))(t)
	if applied.Engine == "" || applied.Took < 0 {
		t.Errorf("applied %+v", applied)
	}
}

// want is the expected state of a link.
type want struct {
	cut   bool
	delay time.Duration
}

// check measures every link and compares it with its expected state; links that are not in expected have no faults.
func (n shaped) check(t *testing.T, expected map[faults.Link]want) {
	t.Helper()
	var links []faults.Link
	for _, a := range n.ids() {
		for _, b := range n.ids() {
			if a != b {
				links = append(links, faults.Link{From: a, To: b})
			}
		}
	}
	got := n.measure(t, links)
	if len(got) != len(links) {
		t.Fatalf("%d measurements of %d links", len(got), len(links))
	}
	for i, m := range got {
		w := expected[links[i]]
		switch {
		case m.Link != links[i] || m.Sent != probePlan.Count:
			t.Errorf("measurement %+v of link %v", m, links[i])
		case w.cut && m.Received != 0:
			t.Errorf("%d probes crossed the cut link %v", m.Received, m.Link)
		case w.cut:
		case m.Received != m.Sent:
			t.Errorf("%d of %d probes crossed link %v", m.Received, m.Sent, m.Link)
		case m.Min < w.delay-time.Millisecond || m.Median > w.delay+slack || m.Min > m.Median || m.Median > m.Max:
			t.Errorf("link %v: min %v, median %v, max %v, want %v", m.Link, m.Min, m.Median, m.Max, w.delay)
		}
	}
}

// ends returns two nodes and the links between them, there and back.
func (n shaped) ends() (there, back faults.Link) {
	a, b := n.ids()[0], n.ids()[1]
	return faults.Link{From: a, To: b}, faults.Link{From: b, To: a}
}

// measure probes links. It repeats a measurement during which the kernel has dropped delayed packets because another
// testnet on this host ended; the runtime counts those as flushed.
func (n shaped) measure(t *testing.T, links []faults.Link) []faults.Measurement {
	t.Helper()
	const tries = 5
	for try := 1; ; try++ {
		before := must.Get(n.Traffic(t.Context()))(t).Flushed
		got := must.Get(n.Probe(t.Context(), links, probePlan))(t)
		flushed := must.Get(n.Traffic(t.Context()))(t).Flushed - before
		if flushed == 0 || try == tries {
			return got
		}
		t.Logf("%d packets were flushed: measuring again", flushed)
	}
}

func (n shaped) latency(t *testing.T) {
	there, back := n.ends()
	n.shape(t, layer("slow", false, faults.Shape{Delay: 120 * time.Millisecond}, there))
	n.check(t, map[faults.Link]want{there: {delay: 120 * time.Millisecond}})
	n.shape(t, layer("slow", false, faults.Shape{Delay: 90 * time.Millisecond}, back))
	n.check(t, map[faults.Link]want{back: {delay: 90 * time.Millisecond}})
	n.shape(t)
	n.check(t, nil)
}

// composition checks that delays add, that cuts take precedence, and that each layer can be removed alone.
func (n shaped) composition(t *testing.T) {
	there, back := n.ends()
	slow := layer("slow", false, faults.Shape{Delay: 70 * time.Millisecond}, there, back)
	slower := layer("slower", false, faults.Shape{Delay: 60 * time.Millisecond}, there)
	cut := layer("cut", true, faults.Shape{}, back)
	n.shape(t, slow, slower)
	n.check(t, map[faults.Link]want{there: {delay: 130 * time.Millisecond}, back: {delay: 70 * time.Millisecond}})
	n.shape(t, slow, slower, cut)
	n.check(t, map[faults.Link]want{there: {delay: 130 * time.Millisecond}, back: {cut: true}})
	n.shape(t, slower)
	n.check(t, map[faults.Link]want{there: {delay: 60 * time.Millisecond}})
	n.shape(t)
	n.check(t, nil)
}

// expiry checks that a layer with an Until heals by itself.
func (n shaped) expiry(t *testing.T) {
	there, back := n.ends()
	cut := layer("cut", true, faults.Shape{}, there, back)
	clock := n.rt.Clock()
	cut.Until = clock.Epoch().Add(clock.Now() + 10*time.Second)
	n.shape(t, cut)
	n.check(t, map[faults.Link]want{there: {cut: true}, back: {cut: true}})
	n.sleep(t, 11*time.Second)
	n.check(t, nil)
	n.shape(t)
}

func (n shaped) layersSurviveRestart(t *testing.T) {
	there, back := n.ends()
	id := there.To
	n.shape(t,
		layer("slow", false, faults.Shape{Delay: 80 * time.Millisecond}, back),
		layer("cut", true, faults.Shape{}, there))
	for _, verbs := range [][]faults.Verb{{faults.Restart}, {faults.Kill, faults.Start}} {
		for _, v := range verbs {
			n.do(t, v, id)
		}
		n.check(t, map[faults.Link]want{there: {cut: true}, back: {delay: 80 * time.Millisecond}})
	}
	n.shape(t)
	n.check(t, nil)
	n.agree(t, 1)
}

func (n shaped) probeOfDeadNode(t *testing.T) {
	there, back := n.ends()
	n.do(t, faults.Kill, there.To)
	other := n.ids()[2]
	n.check(t, map[faults.Link]want{
		there: {cut: true}, back: {cut: true},
		{From: there.To, To: other}: {cut: true}, {From: other, To: there.To}: {cut: true},
	})
	n.do(t, faults.Start, there.To)
	n.agree(t, 1)
}

// partition checks that a cut affects the nodes' own traffic, and that they agree again after the heal.
func (n shaped) partition(t *testing.T) {
	ids := n.ids()
	alone := ids[2]
	n.agree(t, 1)
	before := must.Get(n.Traffic(t.Context()))(t)
	n.shape(t, layer("cut", true, faults.Shape{},
		faults.Link{From: ids[0], To: alone}, faults.Link{From: alone, To: ids[0]},
		faults.Link{From: ids[1], To: alone}, faults.Link{From: alone, To: ids[1]}))
	stuck := n.mustStatus(t, alone).Height
	n.wait(t, "blocks on one side of the partition", func() error {
		for _, id := range ids[:2] {
			if h := n.mustStatus(t, id).Height; h < stuck+4 {
				return fmt.Errorf("%s is at height %d, was at %d", id, h, stuck)
			}
		}
		return nil
	})
	if h := n.mustStatus(t, alone).Height; h != stuck {
		t.Errorf("%s went from height %d to %d while it was cut off", alone, stuck, h)
	}
	after := must.Get(n.Traffic(t.Context()))(t)
	if after.Dropped >= 0 && after.Dropped <= before.Dropped || after.Lost > 0 {
		t.Errorf("traffic before the cut %+v, during it %+v", before, after)
	}
	n.shape(t)
	n.agree(t, stuck+4)
}

// refused checks invalid calls, and that they change nothing.
func (n shaped) refused(t *testing.T) {
	there, back := n.ends()
	n.shape(t, layer("cut", true, faults.Shape{}, there))
	unknown := faults.Link{From: there.From, To: "unknown"}
	if _, err := n.Shape(t.Context(), []faults.Layer{layer("x", true, faults.Shape{}, unknown)}); err == nil {
		t.Error("shape with an unknown node: no error")
	}
	if _, err := n.Probe(t.Context(), []faults.Link{unknown}, probePlan); err == nil {
		t.Error("probe of an unknown node: no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Shape(ctx, []faults.Layer{layer("x", true, faults.Shape{}, back)}); !errors.Is(err, context.Canceled) {
		t.Errorf("shape with a cancelled context: %v", err)
	}
	if _, err := n.Probe(ctx, []faults.Link{there}, probePlan); !errors.Is(err, context.Canceled) {
		t.Errorf("probe with a cancelled context: %v", err)
	}
	n.check(t, map[faults.Link]want{there: {cut: true}})
	n.shape(t)
	n.check(t, nil)
}
