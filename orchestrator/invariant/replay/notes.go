package replay

import "fmt"

// maxNotes is the most notes of one kind that are kept.
const maxNotes = 5

// notes are the first few sentences of one kind.
type notes []string

// first is the first note, empty if there is none.
func (n notes) first() string {
	if len(n) == 0 {
		return ""
	}
	return n[0]
}

func (n *notes) add(format string, args ...any) {
	if len(*n) < maxNotes {
		*n = append(*n, fmt.Sprintf(format, args...))
	}
}
