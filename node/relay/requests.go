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

// Request is a request for one item to one peer.
type Request struct {
	Peer chain.PeerID
	Item wire.Item
	Hash chain.Hash
}

// Requests tracks the items that were requested: each from one peer at a time, for RequestTimeout, then from the next
// that announced it. Times are nanoseconds. The zero Requests is empty and ready for use.
type Requests struct {
	open map[chain.Hash]*openRequest
	// queue is in the order of deadlines, because all have the same timeout. Closed requests leave it lazily.
	queue []*openRequest
	// load counts open requests by peer.
	load map[chain.PeerID]int
}

type openRequest struct {
	Request
	deadline int64
	closed   bool
	others   []chain.PeerID
}

// Len is the number of open requests.
func (r *Requests) Len() int { return len(r.open) }

// Announced notes that a peer has an item that the node lacks. It returns whether to send the request now.
func (r *Requests) Announced(a Request, now int64) bool {
	if q, ok := r.open[a.Hash]; ok {
		if q.Peer != a.Peer && len(q.others) < maxAlternates {
			q.others = append(q.others, a.Peer)
		}
		return false
	}
	if len(r.open) >= MaxRequests || r.load[a.Peer] >= MaxPerPeer {
		return false
	}
	r.add(&openRequest{Request: a}, now)
	return true
}

func (r *Requests) add(q *openRequest, now int64) {
	if r.open == nil {
		r.open = make(map[chain.Hash]*openRequest)
		r.load = make(map[chain.PeerID]int)
	}
	q.deadline = now + int64(RequestTimeout)
	r.open[q.Hash] = q
	r.load[q.Peer]++
	r.queue = append(r.queue, q)
}

// Done notes that an item arrived, from any peer.
func (r *Requests) Done(h chain.Hash) {
	if q, ok := r.open[h]; ok {
		r.close(q)
		r.trim()
	}
}

func (r *Requests) close(q *openRequest) {
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

// Expire closes the requests that timed out and appends to out the requests to other peers that replace them.
func (r *Requests) Expire(now int64, out []Request) []Request {
	for r.trim(); len(r.queue) > 0 && r.queue[0].deadline <= now; r.trim() {
		out = r.retry(r.queue[0], now, out)
	}
	return out
}

// Disconnected closes the requests to a peer and appends to out the requests to other peers that replace them.
func (r *Requests) Disconnected(peer chain.PeerID, now int64, out []Request) []Request {
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

func (r *Requests) retry(q *openRequest, now int64, out []Request) []Request {
	r.close(q)
	for i, next := range q.others {
		if next != q.Peer && r.load[next] < MaxPerPeer {
			again := Request{Peer: next, Item: q.Item, Hash: q.Hash}
			r.add(&openRequest{Request: again, others: q.others[i+1:]}, now)
			return append(out, again)
		}
	}
	return out
}
