// Package peers holds what a node knows of others beyond its connections: a bounded book of addresses, who is banned,
// and when to dial whom. Times are nanoseconds since the Unix epoch, as the node is told them.
package peers
