// Package agent is the process that owns a testnet's faults on a host: it applies the desired state of all links to the
// kernel, probes links, and heals everything when its owner goes away or it dies itself. It serves HTTP with JSON over a
// Unix socket; Client is the other end.
//
// The API: GET /v1/state returns State; PUT /v1/hosts takes a list of Host; PUT /v1/layers takes a ShapeRequest and
// returns faults.Applied; POST /v1/probe takes a ProbeRequest and returns a list of faults.Measurement; PUT /v1/forwards
// takes a list of ports of nodes and returns the addresses on the agent's loopback that are forwarded to them; POST
// /v1/lease (or GET) answers at once and holds a lease while its connection is open; POST /v1/stop heals everything and
// ends the agent. Errors are plain text with status 400 (wrong request), 409 (the layers have changed), 412 (no client
// holds a lease), 501 (not supported by this kernel), 500 (it failed) or 503 (the agent is stopping).
//
// The files: main.go is the command, server.go starts the agent and handles requests, which validate.go checks;
// controller.go owns the desired state and calls the engine; forward.go forwards ports; journal.go records what the agent
// creates in the kernel; kernel_linux.go opens the engine and watches the bridge. A new request is a type in api.go, a method of Client, a
// handler and its checks.
//
// What it needs, in the network namespace that carries the bridge: CAP_NET_ADMIN for tables and queues. In the nodes'
// namespaces, for probes alone: CAP_SYS_ADMIN to enter them and CAP_NET_RAW to send. CAP_SYS_NICE lets the delay thread
// run in real time; without it delays are late by milliseconds on a busy machine. CAP_CHOWN and CAP_DAC_OVERRIDE are
// needed only where the socket's directory belongs to another user; CAP_SYS_PTRACE only where namespaces are given as
// /proc/PID/ns/net of processes that have more capabilities than the agent. All other capabilities can be dropped. It
// writes nothing below /proc or /sys.
package agent
