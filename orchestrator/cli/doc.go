// Package cli is the command line. It turns arguments into calls of the other packages, and their results into tables,
// JSON and exit codes. It is the only package that names concrete runtimes and chains.
//
// A command is one file, named after it: run.go, up.go, status.go, fault.go with its subcommands, and so on; chain check
// has a file of its own, chaincheck.go. Each has a function xxxCommand, which declares name, help and flags, and is listed
// in newApp (app.go). What commands share:
//
//   - env (env.go) is what a command sees of its process: standard output and error, colour, width.
//   - usage.go checks arguments and puts flags first, flags.go declares the flags that more than one command has, help.go
//     prints --help, completion.go what shells complete.
//   - output (output.go) prints a result as a table or JSON. Tables are drawn by package report.
//   - progress (progress.go) shows what a long step does; it knows nothing but what run.Progress is given.
//   - startOptions (scenario.go) are the flags of run and up; host (host.go) is the runtime that they select, and why.
//   - verdicts (judge.go) is where run and check put reports, with the files for build servers.
//   - rundir.go makes, finds and removes the directories of runs; reproduce.go makes the command that repeats a run.
//   - testnet (testnet.go) is a running testnet that another process started, for the commands that take an opener.
//   - errors.go has the exit codes and prints errors, as JSON too where a command with --json has printed nothing else. A
//     command returns its error: it never prints one.
//
// Tests: testdata/*.txtar are transcripts without a container engine (UPDATE_TRANSCRIPTS=1 rewrites them); testnet_test.go
// runs commands on a simulated testnet; *_docker_test.go run them on containers.
package cli
