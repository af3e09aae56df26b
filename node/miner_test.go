package node

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/node/chain"
)

// mineBlocks lets one node without peers mine count blocks and returns their times.
func mineBlocks(t *testing.T, rate float64, interval chain.Millis, count int) []Time {
	t.Helper()
	g := testGenesis(t, 1, rate, interval)
	g.HalfLife = chain.MaxHalfLife // constant difficulty
	_, seed := testKey(t, 0)
	n := must.Get(New(Config{Name: "m", Genesis: g, Key: seed, Relay: "flood", Mine: rate, Seed: 3}, Deps{}, nil, epoch))(t)
	var mine Time
	var times []Time
	take := func(fx []Effect) {
		for _, e := range fx {
			switch {
			case e.Kind == EffectTimer && e.Timer.Kind == TimerMine:
				mine = e.At
			case e.Kind == EffectEvent && e.Event.Kind == EventBlock:
				times = append(times, e.Event.Time)
			}
		}
	}
	take(n.Start(epoch))
	for len(times) < count {
		now := mine
		take(n.Timer(now, TimerID{Kind: TimerMine}))
	}
	return times
}

func TestMiner_ExponentialIntervals(t *testing.T) {
	const count, rate, interval = 2000, 200.0, 2000
	times := mineBlocks(t, rate, interval, count)
	gaps := make([]float64, count)
	last := epoch
	for i, at := range times {
		gaps[i] = time.Duration(at - last).Seconds()
		last = at
	}
	slices.Sort(gaps)
	var worst, sum float64
	for i, x := range gaps {
		cdf := 1 - math.Exp(-x/(interval/1000.0))
		worst = max(worst, math.Abs(cdf-float64(i)/count), math.Abs(cdf-float64(i+1)/count))
		sum += x
	}
	// Kolmogorov-Smirnov test at 0.1 %; block times are multiples of 1/rate seconds, 0.0025 of the mean interval.
	if limit := 1.95/math.Sqrt(count) + 0.0025; worst > limit {
		t.Errorf("KS distance %.4f, limit %.4f", worst, limit)
	}
	if mean := sum / count; math.Abs(mean-interval/1000.0) > 3.29*interval/1000.0/math.Sqrt(count) {
		t.Errorf("mean interval %.3f s", mean)
	}
}

// With the easiest target every attempt succeeds, so blocks come at exactly the miner's rate.
func TestMiner_Rate(t *testing.T) {
	for _, rate := range []float64{0.5, 3, 7.7, 40} {
		times := mineBlocks(t, rate, 1, 40)
		for i, at := range times {
			want := float64(i+1) / rate
			if got := time.Duration(at - epoch).Seconds(); math.Abs(got-want) > 1e-6 {
				t.Fatalf("rate %v: block %d at %.6f s, want %.6f", rate, i+1, got, want)
			}
		}
	}
}

// The next chunk includes pending transactions, in order of fee and nonce.
func TestMiner_SelectsTxs(t *testing.T) {
	l := newSingle(t, func(c *Config) {
		c.Mine = 1
		c.Genesis = testGenesis(t, 3, 1000, 10_000) // a difficult target
	})
	n := l.n
	for _, tx := range []struct {
		from  int
		fee   chain.Amount
		nonce uint64
	}{{0, 1, 0}, {0, 9, 1}, {1, 5, 0}, {2, 7, 1}} { // the last waits for nonce 0
		must.Get(n.Submit(l.now, signed(t, n.genesis, tx.from, 2, 10, tx.fee, tx.nonce)))(t)
	}
	n.miner.carry = 1
	n.mineChunk(l.now)
	var fees []chain.Amount
	for _, tx := range n.miner.txs {
		fees = append(fees, tx.Fee)
	}
	if !slices.Equal(fees, []chain.Amount{5, 1, 9}) {
		t.Errorf("fees in block order: %v", fees)
	}
}

func TestMiner_WaitsForPeersAndSync(t *testing.T) {
	l := newSingle(t, func(c *Config) {
		c.Mine = 5
		c.Peers = []PeerAddr{{ID: peerID(t, 1), Addr: "a:1"}}
	})
	if l.n.Status().Mining {
		t.Fatal("mines before its first peer")
	}
	id := l.connect(1)
	if !l.n.Status().Mining {
		t.Fatal("does not mine after its first peer")
	}
	l.n.PeerDown(l.now, id, "")
	if !l.n.Status().Mining {
		t.Fatal("stops after it lost its peers")
	}
	l.n.PeerUp(l.now, id, false)
	l.n.Receive(l.now, id, l.helloOf(255, 100))
	if s := l.n.Status(); s.Mining || !s.Syncing {
		t.Fatalf("mines while it is far behind: %+v", s)
	}
	l.n.Timer(l.now+Time(syncTimeout), TimerID{Kind: TimerTick})
	if s := l.n.Status(); !s.Mining || s.Syncing {
		t.Fatalf("a peer that claims work and sends no blocks stops the miner: %+v", s)
	}
}
