// Package nfqueue delays packets where the kernel has no sch_netem. The kernel holds each packet in a netfilter queue
// and tells this process its addresses; the process says when to let it go. Nothing of a packet but its IP header is
// copied.
//
// Every directed link is one first-in-first-out line: a packet leaves at the latest of its arrival plus the link's
// delay and the release of the packet before it, so order on a link is kept whatever the jitter. One thread of its own
// waits for the next arrival or the next release, whichever comes first.
//
// The queue does not fail open: with that flag an overflow would let packets overtake held ones and no counter would
// show it. Without it the kernel drops and counts, and Stats reports the loss. When the process dies, the rule that
// feeds the queue has gone with it (see package nft), and its bypass flag covers the moment in between.
package nfqueue
