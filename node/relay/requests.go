package relay

import (
	"time"

	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/node/wire"
)

// Limits of Requests.
const (
	RequestTimeout = 3 * time.Second
	MaxRequests    = 4096 // outstanding in all
	MaxPerPeer     = 1024 // outstanding at one peer
	maxAlternates  = 3    // further announcers remembered for an item
)

// Ask is a request to be sent to a peer.
type Ask struct {
	Peer chain.PeerID
	Item wire.Item
	Hash chain.Hash
}

// Requests tracks the items that were asked for: each from one peer at a time, for RequestTimeout, then from the next
// that announced it. Times are nanoseconds. The zero Requests is empty and ready.
type Requests struct {
	open map[chain.Hash]*request
	// queue is in the order of deadlines, because all have the same timeout. Closed requests leave it lazily.
	queue []*request
	// load counts open requests by peer.
	load map[chain.PeerID]int
}

type request struct {
	Ask
	deadline int64
	closed   bool
	others   []chain.PeerID
}

// Len is the number of open requests.
func (r *Requests) Len() int { return len(r.open) }

// Announced says that a peer has an item that the node lacks; the result says whether to ask that peer for it now.
func (r *Requests) Announced(a Ask, now int64) bool {
	if q, ok := r.open[a.Hash]; ok {
		if q.Peer != a.Peer && len(q.others) < maxAlternates {
			q.others = append(q.others, a.Peer)
		}
		return false
	}
	if len(r.open) >= MaxRequests || r.load[a.Peer] >= MaxPerPeer {
		return false
	}
	r.add(&request{Ask: a}, now)
	return true
}

func (r *Requests) add(q *request, now int64) {
	if r.open == nil {
		r.open = make(map[chain.Hash]*request)
		r.load = make(map[chain.PeerID]int)
	}
	q.deadline = now + int64(RequestTimeout)
	r.open[q.Hash] = q
	r.load[q.Peer]++
	r.queue = append(r.queue, q)
}

// Done says that an item arrived, from whomever.
func (r *Requests) Done(h chain.Hash) {
	if q, ok := r.open[h]; ok {
		r.close(q)
		r.trim()
	}
}

func (r *Requests) close(q *request) {
	q.closed = true
	delete(r.open, q.Hash)
	if r.load[q.Peer]--; r.load[q.Peer] == 0 {
		delete(r.load, q.Peer)
	}
}

// trim drops closed requests from the queue's front.
func (r *Requests) trim() {
	for len(r.queue) > 0 && r.queue[0].closed {
		r.queue[0] = nil
		r.queue = r.queue[1:]
	}
	if len(r.queue) == 0 {
		r.queue = nil
	}
}

// Expire closes the requests whose time is over and appends to out those that another announcer is to be asked for.
func (r *Requests) Expire(now int64, out []Ask) []Ask {
	for r.trim(); len(r.queue) > 0 && r.queue[0].deadline <= now; r.trim() {
		out = r.retry(r.queue[0], now, out)
	}
	return out
}

// Gone closes the requests to a peer that left and appends to out those that another announcer is to be asked for.
func (r *Requests) Gone(peer chain.PeerID, now int64, out []Ask) []Ask {
	if r.load[peer] == 0 {
		return out
	}
	for _, q := range r.queue[:len(r.queue):len(r.queue)] {
		if !q.closed && q.Peer == peer {
			out = r.retry(q, now, out)
		}
	}
	r.trim()
	return out
}

func (r *Requests) retry(q *request, now int64, out []Ask) []Ask {
	r.close(q)
	for i, next := range q.others {
		if next != q.Peer && r.load[next] < MaxPerPeer {
			ask := Ask{Peer: next, Item: q.Item, Hash: q.Hash}
			r.add(&request{Ask: ask, others: q.others[i+1:]}, now)
			return append(out, ask)
		}
	}
	return out
}
