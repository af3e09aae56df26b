// Package nfnl speaks nfnetlink, the netlink protocol of netfilter, to the kernel: it builds messages and carries them
// out over one lasting socket. It knows neither tables nor queues; the packages nft and nfqueue do. It exists because
// ownership of tables and queues is bound to a socket, and because a batch of ten thousand set elements and a stream of
// packets both want messages built without an allocation per attribute.
package nfnl
