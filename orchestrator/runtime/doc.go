// Package runtime is the contract between the runner and whatever hosts the nodes of one testnet: a simulator, a
// container engine, a fake. The runner knows no more of a host than this. The conformance suite in runtimetest is the
// contract in executable form.
//
//   - runtime.go: Runtime, what it is given (Plan, Launch, Sink) and what only some hosts can do: LinkShaper and
//     PortForwarder, found by type assertion. Clock is a testnet's time; clock_real.go has that of the machine.
//   - images.go: what runtimes with containers do before nodes start: images, and commands run in a container.
//
// What every host can do is a method of Runtime; a new ability of some is an interface here, with its checks in
// runtimetest. NodeError is how failures of one node are reported.
package runtime
