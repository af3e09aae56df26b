package api

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/netsplit/netsplit/node"
)

// metric is one Prometheus metric, computed from a node's status.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*node.Status) float64
}

func newMetric(name, help string, kind prometheus.ValueType, value func(*node.Status) float64) metric {
	return metric{prometheus.NewDesc("netsplit_node_"+name, help, nil, nil), kind, value}
}

var metrics = sync.OnceValue(func() []metric {
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	count := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	return []metric{
		newMetric("height", "Height of the head.", gauge, func(s *node.Status) float64 { return float64(s.Height) }),
		newMetric("peers", "Peers whose handshake is complete.", gauge, func(s *node.Status) float64 { return float64(s.Peers) }),
		newMetric("mempool_transactions", "Pending transactions.", gauge, func(s *node.Status) float64 { return float64(s.Mempool) }),
		newMetric("orphan_blocks", "Blocks whose parents are unknown.", gauge, func(s *node.Status) float64 { return float64(s.Orphans) }),
		newMetric("mining", "1 while the node mines.", gauge, func(s *node.Status) float64 { return count(s.Mining) }),
		newMetric("syncing", "1 while a request for blocks (get_blocks) is outstanding.", gauge, func(s *node.Status) float64 { return count(s.Syncing) }),
		newMetric("sent_total", "Transactions and blocks sent to peers.", counter, func(s *node.Status) float64 { return float64(s.Sent) }),
		newMetric("received_total", "Transactions and blocks received from peers.", counter, func(s *node.Status) float64 { return float64(s.Received) }),
		newMetric("duplicates_total", "Received transactions and blocks that the node had already.", counter, func(s *node.Status) float64 { return float64(s.Duplicates) }),
		newMetric("announces_sent_total", "Hashes announced to peers.", counter, func(s *node.Status) float64 { return float64(s.AnnouncesSent) }),
		newMetric("announces_received_total", "Hashes announced by peers.", counter, func(s *node.Status) float64 { return float64(s.AnnouncesReceived) }),
		newMetric("sync_blocks_sent_total", "Blocks sent to peers that sync.", counter, func(s *node.Status) float64 { return float64(s.SyncSent) }),
		newMetric("sync_blocks_received_total", "Blocks received from peers while syncing.", counter, func(s *node.Status) float64 { return float64(s.SyncReceived) }),
	}
})

// newMetrics serves the metrics. Each request has its own registry, because a collector does not get the request's
// context.
func newMetrics(b Backend) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var st node.Status
		err := b.Do(r.Context(), func(n *node.Node, _ node.Time) []node.Effect {
			st = n.Status()
			return nil
		})
		if err != nil {
			writeError(w, http.StatusServiceUnavailable, err)
			return
		}
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(snapshot{&st})
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// snapshot is a Prometheus collector of one status.
type snapshot struct{ status *node.Status }

// Describe implements prometheus.Collector.
func (s snapshot) Describe(out chan<- *prometheus.Desc) {
	for _, m := range metrics() {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (s snapshot) Collect(out chan<- prometheus.Metric) {
	for _, m := range metrics() {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s.status))
	}
}
