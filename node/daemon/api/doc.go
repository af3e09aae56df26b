// Package api is a node's HTTP interface: JSON under /v1/, Prometheus metrics, a health check. It knows nothing of
// where the node lives, so that the daemon and the simulator serve the same handler.
package api
