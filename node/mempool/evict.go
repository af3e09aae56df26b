package mempool

// victim is the pending transaction with the lowest fee, of several the one that came last; nil if there is none. The
// order is total, so the map's own order does not matter.
func (p *Pool) victim() *entry {
	var worst *entry
	for _, e := range p.byID {
		if worst == nil || e.msg.Tx.Fee < worst.msg.Tx.Fee ||
			e.msg.Tx.Fee == worst.msg.Tx.Fee && e.seq > worst.seq {
			worst = e
		}
	}
	return worst
}
