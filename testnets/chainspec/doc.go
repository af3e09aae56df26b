// Package chainspec is the chain file: how to build, start, query and judge one kind of node. It decodes the file, renders
// its templates and runs its jq expressions; it starts nothing and calls nobody.
package chainspec
