package runtime

// ImageSource says where the container image of a node comes from that is not netsplit's own; exactly one of its ways is
// set.
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

// Command is run to its end in a container of its own that has no network.
type Command struct {
	Image string
	Args  []string          // after the image's entry point
	Files map[string][]byte // put there before, by absolute path
	// Collect lists absolute paths of files and directories to bring back.
	Collect []string
}

// CommandResult is what a Command gave.
type CommandResult struct {
	Stdout []byte
	// Files are the regular files found at or below the collected paths, by absolute path.
	Files map[string][]byte
}
