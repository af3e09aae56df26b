package sim

import (
	"encoding/binary"

	"github.com/netsplit/netsplit/node/chain"
)

// ends are a host's ends of open connections. A lookup goes round from where the last one ended, so that a broadcast,
// which names peers in the order in which they came, finds each at once.
type ends struct {
	list []end
	hint int
}

type end struct {
	key  uint64 // the first bytes of peer
	conn uint32
	peer chain.PeerID
}

func endKey(id *chain.PeerID) uint64 { return binary.NativeEndian.Uint64(id[:8]) }

// find returns the connection to a peer.
func (e *ends) find(id *chain.PeerID) (conn uint32, ok bool) {
	key := endKey(id)
	n := len(e.list)
	i := e.hint
	for range n {
		if i >= n {
			i = 0
		}
		if l := &e.list[i]; l.key == key && l.peer == *id {
			e.hint = i + 1
			return l.conn, true
		}
		i++
	}
	return 0, false
}

func (e *ends) add(id chain.PeerID, conn uint32) {
	e.list = append(e.list, end{key: endKey(&id), conn: conn, peer: id})
}

func (e *ends) remove(conn uint32) {
	for i := range e.list {
		if e.list[i].conn == conn {
			e.list = append(e.list[:i], e.list[i+1:]...)
			return
		}
	}
}
