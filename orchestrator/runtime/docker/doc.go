// Package docker hosts testnets in containers of a local Docker engine: one container a node on a network of the
// testnet's own, and one container with the agent that owns the faults. Containers and networks are made through
// testcontainers-go; what it has no call for (a network's driver options, events, logs that continue over restarts,
// images without a build) goes to the engine's own client.
//
// The host connects to nodes at their own addresses: no port is published, and engines elsewhere are refused. All
// that a testnet makes is labelled, and is gone after Close, or after Remove when the orchestrator crashed. Images stay
// (docker image prune --all --filter label=dev.netsplit.tool=netsplit removes those that no container uses).
//
// Two types implement runtime.Runtime. [Runtime] (runtime.go) makes the containers of its nodes and removes them.
// [Attached] (attached.go) works on containers that something else started, and leaves them as they were. Both embed
// three parts; none of these knows which runtime it is in:
//
//   - session (session.go) is the connection to the engine and the lifetime of all calls and goroutines; engine.go
//     finds the engine, connects, and says what its errors mean; place.go finds out whether its containers can be reached
//     from here.
//   - nodeSet (node.go) is the nodes: actions.go acts on their containers, events.go passes on what the engine reports of
//     them, verify.go compares that with the state of the containers, follow.go delivers their lines and exits to the sink, logs.go reads the end of a log.
//   - faultAgent (agent.go) starts the agent and calls it: shape, probe, forward ports. socket.go holds its socket's
//     directory.
//
// size.go says how many nodes this host can take.
//
// Runtime also uses the factory (factory.go: the settings common to all containers), network.go (a free subnet),
// files.go (files into and out of containers), command.go (a command run to its end: Runtime.RunCommand) and the images:
// image.go makes one from files, elf.go finds the libraries of a program, goimage.go and gocommand.go build Go programs,
// dockerfile.go builds Dockerfiles. Runtime.BuildImage chooses among them. A new kind of source is a field of
// runtime.ImageSource, a case in BuildImage, and a key of chain files (chainspec/chain.go and decode.go,
// external/prepare.go, testnets/starter.go, cli/chain.go).
//
// Attached also uses selector.go (which containers, which network, and hints where they do not fit), admission.go (faults
// from which a container would not come back) and restore.go (the journal of what must be restored).
//
// testnet.go lists testnets, cleanup.go removes them, labels.go names all that is made, owner.go removes what tests left
// that were killed, host_linux.go and host_other.go are what differs between operating systems.
//
// Files depend on each other in one direction: node.go knows none of the files that act on nodes or feed them. A type's
// method is therefore now and then in another file than the type (nodeSet.Do in actions.go, nodeSet.report in events.go).
package docker
