// Package api is a node's HTTP interface: JSON under /v1/, Prometheus metrics, a health check. The daemon and the
// simulator serve the same handler: it reaches the node through Backend.
//
// handler.go holds the routes and what requests have in common, endpoints.go the answers under /v1/, metrics.go the
// Prometheus metrics.
package api
