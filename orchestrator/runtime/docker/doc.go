// Package docker hosts a testnet in containers of a local Docker engine: one container a node on a network of the
// testnet's own, and one container with the agent that owns the faults. Containers and networks are made through
// testcontainers-go; what it has no words for (a network's driver options, events, logs that go on over restarts,
// images without a build) goes to the engine's own client.
//
// The node image holds nothing but the running executable, so neither a registry nor a toolchain is needed. Images that
// are no longer used stay until RemoveImages; everything else that a testnet makes is labelled and is gone after Close,
// or after Remove when the orchestrator crashed.
//
// The host speaks with nodes at their own addresses. Nothing is published, and engines on other machines are refused.
package docker
