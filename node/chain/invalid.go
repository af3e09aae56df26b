package chain

// maxInvalid bounds the invalid blocks that a tree remembers.
const maxInvalid = 1024

// invalidSet remembers the last maxInvalid blocks that carried their proof of work but broke the ledger's rules, and
// their descendants, so that they are refused without executing anything. Its memory costs an attacker work.
type invalidSet struct {
	known map[Hash]*invalidBlock
	order []Hash // ring, the oldest at next once it is full
	next  int
}

type invalidBlock struct {
	entry *treeEntry // its header alone, to judge the headers of its children
	err   error
}

func (s *invalidSet) get(h Hash) *invalidBlock { return s.known[h] }

func (s *invalidSet) put(h Hash, e *treeEntry, err error) {
	if s.known == nil {
		s.known = make(map[Hash]*invalidBlock)
	}
	if len(s.order) < maxInvalid {
		s.order = append(s.order, h)
	} else {
		delete(s.known, s.order[s.next])
		s.order[s.next] = h
		s.next = (s.next + 1) % maxInvalid
	}
	e.block = &Block{Header: e.block.Header, sealed: true, hash: h}
	s.known[h] = &invalidBlock{entry: e, err: err}
}
