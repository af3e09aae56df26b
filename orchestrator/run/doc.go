// Package run runs scenarios: it brings a testnet up on a runtime, carries out the schedule of load and faults, records
// everything that happens, lets the testnet settle and takes it down. It does not judge: that is done from the recorded
// trace alone (package invariant), in the same way right after a run and years later.
//
// The runner reads time only through the runtime's Clock and knows a runtime and a chain only by their contracts, so the
// identical code drives containers in real time and a simulator in virtual time.
//
// The files:
//
//   - run.go has Run, with the phases of a run from top to bottom; options.go what it is given, check.go what it refuses.
//   - start.go has Up and Start: create, launch, wait until all nodes are connected. testnet.go has Testnet, the nodes
//     and clients of a running testnet, and Open for one that another process started; network.go is its description on
//     disk.
//   - plan.go is what a run is to do, which stands in the trace at its beginning.
//   - recorder.go writes the trace. Everything that happens goes through it, and it passes every event on: to view.go
//     (what the nodes do at present) and to bodies.go (blocks whose content the trace lacks, and who fetches it).
//   - What goes on during the schedule, each part in a file with its type: faultrunner.go (carries out faults), prober.go
//     (measures links and nodes around faults), load.go (submits transfers), blockmaker.go (chains that make blocks on
//     command), answers.go (what nodes say of themselves), observer.go (nodes that do not print what happens to them are
//     polled; arrivals.go gives the blocks that are found their times). The parts do not know each other, except that the fault runner starts the prober's
//     measurements.
//   - clocks.go compares the nodes' clocks with the run's and corrects the times of their events.
//   - machine.go measures how punctual the machine is.
//   - tasks.go has what all parts work with: the run's time, its goroutines, and the struct shared, which hands both and
//     the recorder, view and testnet to each part.
//   - progress.go is what people are shown; the text of the live line is in package cli, progress.go.
//
// A fault made of existing effects changes nothing here. A new effect on links (a field of faults.Shape) is also copied
// in faultrunner.go (traceRules) and measured in prober.go. A new figure in the live line is a field of Snapshot, which
// view fills in. What nodes report comes as events of the chain's ParseLog or Polling; what the run itself does is
// recorded with recorder.add. A new part that works during the schedule embeds struct shared and is started in
// run.schedule.
package run
