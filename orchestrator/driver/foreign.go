package driver

import (
	"context"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Watched is a Chain whose nodes do not print what happens to them: the runner asks each of them again and again.
type Watched interface {
	// Every is how often each node is asked. No time that the trace then gives is known better than this.
	Every() time.Duration
	// Look asks a node for what is new since the last look, in the order in which it must have happened: a seen event for
	// each block, with its body before it, then the head. The runner gives the events their time and node. Calls for one
	// node are serial, calls for different nodes concurrent. A node that does not answer is an error, and what was missed
	// comes with the next look.
	Look(ctx context.Context, node faults.NodeID) ([]trace.Event, error)
}

// Producer is a Chain whose blocks are made on command.
type Producer interface {
	// Produces reports whether this chain is one; a chain file may or may not say how to make a block.
	Produces() bool
	// Produce lets a node make one block on its head.
	Produce(ctx context.Context, node faults.NodeID) error
}

// Introducer is a Chain whose nodes may have to be told of their peers after they have started.
type Introducer interface {
	// Connect tells nodes of their peers; it does nothing where they know already. It is called when all nodes answer,
	// without nodes, and may be repeated; and again with every node that was started again.
	Connect(ctx context.Context, nodes ...faults.NodeID) error
}

// ImageSource says where the container image of a foreign node comes from; exactly one of its ways is set.
type ImageSource struct {
	// Go is a program as `go install` names it, "MODULE/cmd@VERSION", built with the user's own toolchain, CGO off, and
	// LDFlags for the linker.
	Go      string
	LDFlags string
	// Binary is a file on this host; its loader and libraries come along.
	Binary string
	// Ref is an image that the engine has.
	Ref string
	// Dockerfile is a file on this host; its directory is the build's context.
	Dockerfile string
}

// Once is a command run to its end in a container of its own that has no network.
type Once struct {
	Image string
	Args  []string          // after the image's entry point
	Files map[string][]byte // put there before, by absolute path
	// Collect lists absolute paths of files and directories to bring back.
	Collect []string
}

// OnceResult is what a Once gave.
type OnceResult struct {
	Stdout []byte
	// Files are the regular files found at or below the collected paths, by absolute path.
	Files map[string][]byte
}

// Tools is what a runtime does for foreign chains before their nodes start.
type Tools interface {
	// Image returns a reference to the image that a source describes, made if it is not there yet. progress, if not nil,
	// is told what takes long.
	Image(ctx context.Context, source ImageSource, progress func(string)) (ref string, err error)
	// Once runs a command. A command that fails is an error with its last lines of output.
	Once(ctx context.Context, once Once) (OnceResult, error)
}
