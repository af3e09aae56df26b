// Package nfqueue delays packets where the kernel has no sch_netem. The kernel holds each packet in a netfilter queue and
// passes the first bytes of it to this process, which decides when the kernel releases it.
//
// Every directed link is a first-in-first-out queue: a packet is released at its arrival plus the link's delay, but not
// before the packet ahead of it, so order on a link is kept with any jitter; probes have a queue of their own. One thread
// waits for the next arrival or the next release.
//
// The queue is opened without the kernel's fail-open flag, with which packets would overtake held ones when the queue
// overflows, and no counter would show it. Without it the kernel drops and counts them, and Stats reports the loss. When
// the process dies, the kernel removes the rule that feeds the queue (see package nft); until then the rule's bypass flag
// lets packets pass.
//
// schedule.go decides when packets are released and reads no clock. queue_linux.go has Queue and its thread, which
// messages_linux.go connects to the kernel.
package nfqueue
