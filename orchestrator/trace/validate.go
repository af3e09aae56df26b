package trace

import "fmt"

// Validate checks that e has a known kind, the payload that its kind names, and no other.
func Validate(e *Event) error {
	set, named := 0, false
	for _, p := range [...]struct {
		kind Kind
		set  bool
	}{
		{KindRun, e.Run != nil}, {KindNode, e.Lifecycle != nil}, {KindPeer, e.Peer != nil}, {KindBlock, e.Block != nil},
		{KindSeen, e.Seen != nil}, {KindHead, e.Head != nil}, {KindFinal, e.Final != nil}, {KindSubmit, e.Submit != nil},
		{KindFault, e.Fault != nil}, {KindProbe, e.Probe != nil}, {KindStatus, e.Status != nil},
		{KindPhase, e.Phase != nil}, {KindGap, e.Gap != nil}, {KindEnd, e.End != nil},
	} {
		if p.set {
			set++
		}
		if p.kind == e.Kind {
			if !p.set {
				return fmt.Errorf("%s event has no %s payload", e.Kind, e.Kind)
			}
			named = true
		}
	}
	switch {
	case !named:
		return fmt.Errorf("unknown kind of event %q", e.Kind)
	case set != 1:
		return fmt.Errorf("%s event has %d payloads, one is allowed", e.Kind, set)
	}
	return nil
}
