package trace

import (
	"encoding/json"
	"fmt"
	"time"
)

// decoder turns lines into events. Most lines of a trace are seen and head events in exactly the form that Writer
// gives them; those are scanned by hand, which is some ten times faster than encoding/json. Every other line goes to
// encoding/json, so both ways accept the same traces.
type decoder struct {
	known map[string]string
}

// maxKnown bounds the table of strings that events share.
const maxKnown = 1 << 16

func (d *decoder) decode(line []byte) (*Event, error) {
	if e := d.fast(line); e != nil {
		return e, nil
	}
	e := new(Event)
	if err := json.Unmarshal(line, e); err != nil {
		return nil, fmt.Errorf("not an event: %w", err)
	}
	if err := Validate(e); err != nil {
		return nil, err
	}
	return e, nil
}

// share returns b as a string, the same one for the same bytes as long as the table has room.
func (d *decoder) share(b []byte) string {
	if s, ok := d.known[string(b)]; ok {
		return s
	}
	if d.known == nil || len(d.known) >= maxKnown {
		d.known = make(map[string]string, 1024)
	}
	s := string(b)
	d.known[s] = s
	return s
}

// fast decodes a seen or head event as Writer writes it, and returns nil for anything else.
func (d *decoder) fast(line []byte) *Event {
	s := scanner{b: line, d: d}
	if !s.lit(`{"at":`) {
		return nil
	}
	at := s.int()
	switch {
	case s.lit(`,"kind":"seen","node":`):
		m := new(struct {
			Event
			Seen
		})
		e := &m.Event
		e.At, e.Kind, e.Seen = time.Duration(at), KindSeen, &m.Seen
		e.Node = NodeID(s.str())
		s.must(`,"seen":{"hash":`)
		m.Seen.Hash = Hash(s.str())
		s.must(`,"parent":`)
		m.Seen.Parent = Hash(s.str())
		s.must(`,"height":`)
		m.Seen.Height = s.uint()
		if s.lit(`,"from":`) {
			m.Seen.From = NodeID(s.str())
		}
		m.Seen.Made = s.lit(`,"made":true`)
		m.Seen.Sync = s.lit(`,"sync":true`)
		if s.lit(`,"within":`) {
			m.Seen.Within = time.Duration(s.int())
		}
		return s.done(e)
	case s.lit(`,"kind":"head","node":`):
		m := new(struct {
			Event
			Head
		})
		e := &m.Event
		e.At, e.Kind, e.Head = time.Duration(at), KindHead, &m.Head
		e.Node = NodeID(s.str())
		s.must(`,"head":{"hash":`)
		m.Head.Hash = Hash(s.str())
		s.must(`,"height":`)
		m.Head.Height = s.uint()
		if s.lit(`,"old":`) {
			m.Head.Old = Hash(s.str())
		}
		if s.lit(`,"dropped":`) {
			m.Head.Dropped = int(s.int())
		}
		m.Head.Restored = s.lit(`,"restored":true`)
		return s.done(e)
	}
	return nil
}

// scanner walks over one line; after the first mismatch it is bad and everything it returns is zero.
type scanner struct {
	b   []byte
	d   *decoder
	bad bool
}

// lit takes text if it is next.
func (s *scanner) lit(text string) bool {
	if s.bad || len(s.b) < len(text) || string(s.b[:len(text)]) != text {
		return false
	}
	s.b = s.b[len(text):]
	return true
}

func (s *scanner) must(text string) {
	if !s.lit(text) {
		s.bad = true
	}
}

// done returns e if the line was taken completely.
func (s *scanner) done(e *Event) *Event {
	s.must("}}")
	if s.bad || len(s.b) != 0 {
		return nil
	}
	return e
}

// str takes a quoted string of printable ASCII without escapes.
func (s *scanner) str() string {
	s.must(`"`)
	if s.bad {
		return ""
	}
	for i, c := range s.b {
		switch {
		case c == '"':
			v := s.d.share(s.b[:i])
			s.b = s.b[i+1:]
			return v
		case c == '\\' || c < 0x20 || c >= 0x7f:
			s.bad = true
			return ""
		}
	}
	s.bad = true
	return ""
}

// uint takes a number of at most 18 digits in JSON's form (no leading zero); longer ones are left to encoding/json.
func (s *scanner) uint() uint64 {
	var v uint64
	i := 0
	for i < len(s.b) && s.b[i] >= '0' && s.b[i] <= '9' {
		v = v*10 + uint64(s.b[i]-'0')
		i++
		if i > 18 {
			s.bad = true
			return 0
		}
	}
	if i == 0 || i > 1 && s.b[0] == '0' {
		s.bad = true
		return 0
	}
	s.b = s.b[i:]
	return v
}

func (s *scanner) int() int64 {
	if s.lit("-") {
		return -int64(s.uint())
	}
	return int64(s.uint())
}
