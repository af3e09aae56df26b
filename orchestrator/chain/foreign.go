package chain

import (
	"context"
	"errors"
	"time"

	"github.com/netsplit/netsplit/faults"
	"github.com/netsplit/netsplit/orchestrator/trace"
)

// Written is a Chain that a file describes.
type Written interface {
	// StartPlace is where the file says how nodes are started: file, line and column.
	StartPlace() string
}

// Imaged is a Chain whose nodes need an image that may have to be made.
type Imaged interface {
	// Image makes the image, if it is not there yet, and returns its reference. Prepare does so too; where this is called
	// before, the network's start is not minutes before its nodes'.
	Image(ctx context.Context) (ref string, err error)
}

// NodeFault is an error about one node.
type NodeFault interface {
	error
	// Of names the node.
	Of() faults.NodeID
}

// Watched is a Chain whose nodes do not print what happens to them: the runner asks each of them again and again.
type Watched interface {
	// Every is how often each node is asked.
	Every() time.Duration
	// Look asks a node for what is new since the last look, in the order in which it must have happened: a seen event for
	// each block, with its body before it, then the head, then what it calls final. The runner gives the events their time
	// and node. Calls for one node are serial, calls for different nodes concurrent. A node that does not answer is an error,
	// and what was missed comes with the next look. Where the node had more to tell than one look takes, the error wraps
	// ErrMore.
	Look(ctx context.Context, node faults.NodeID) ([]trace.Event, error)
}

// Hint is a node's own word that a block came. Hash may be empty, or Height 0, but not both.
type Hint struct {
	Hash   trace.Hash
	Height uint64
}

// Announcer is a Watched chain whose nodes may tell by themselves that a block came. That gives its arrival a time; what
// the block is, and that it is on the node's chain, is for Look to say. Hints may be lost, repeated or wrong.
type Announcer interface {
	// Subscribes reports whether nodes can be listened to; a chain file may or may not say how.
	Subscribes() bool
	// Listen calls tell, in order, for each hint that a node sends until the connection ends, which is an error, or ctx.
	Listen(ctx context.Context, node faults.NodeID, tell func(Hint)) error
	// Heard reads a line that a node printed. The second result is false for lines that tell of no block.
	Heard(node faults.NodeID, line []byte) (Hint, bool)
}

// ErrMore is wrapped by the error of a look that took in only a part of what is new.
var ErrMore = errors.New("the node has more blocks than one look reads")

// Producer is a Chain whose blocks are made on command.
type Producer interface {
	// Produces reports whether this chain is one; a chain file may or may not say how to make a block.
	Produces() bool
	// Produce lets a node make one block on its head.
	Produce(ctx context.Context, node faults.NodeID) error
}

// Led is a Chain whose nodes know who is to make the next block.
type Led interface {
	// Leads reports whether this chain is one; a chain file may or may not say how to ask who leads.
	Leads() bool
	// Leader returns who is to make the next block, as a node sees it now. Another may make it where that one does not in
	// time, and nodes of a divided network see different ones.
	Leader(ctx context.Context, node faults.NodeID) (faults.NodeID, error)
}

// Elector is a Chain that does not let every node produce, or not with the power, that the scenario would have it.
type Elector interface {
	// Elect returns the nodes as this chain has them, and a line for people on what it changed, empty for nothing.
	Elect(nodes []Node) (elected []Node, note string)
}

// Introducer is a Chain whose nodes may have to be told of their peers after they have started.
type Introducer interface {
	// Connect tells nodes of their peers; it does nothing where they know already. It is called when all nodes answer,
	// without nodes, and may be repeated; and again with every node that was started again.
	Connect(ctx context.Context, nodes ...faults.NodeID) error
}

// Comparer is a Chain that can tell which of its nodes is on another network than the others.
type Comparer interface {
	// Stranger compares how the nodes' chains begin. It returns a node whose chain begins otherwise than those of most, and
	// what differs, for people; empty when there is none, or when nothing can be told. Nodes that do not answer are left
	// out.
	Stranger(ctx context.Context) (node faults.NodeID, what string)
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
