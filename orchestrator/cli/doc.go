// Package cli is the command line: one verb a file. It turns arguments into calls of the other packages and their
// answers into tables, JSON and exit codes, and it is the only package that names concrete runtimes and chains.
package cli
