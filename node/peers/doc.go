// Package peers holds what a node knows of others beyond its connections: Book (bounded addresses), Bans (who is banned)
// and Dialer (when to dial whom). It opens no connections and reads no clock: times are nanoseconds since the Unix epoch,
// given by the caller.
package peers
