package faults

import "unicode/utf8"

// maxNearest is the longest name that Nearest compares, in bytes.
const maxNearest = 64

// Nearest returns the name in valid that is spelt most like name, for "did you mean" hints, or "" when none is close: more
// than a third of the longer name would have to change (see distance). The first of equally close names wins.
func Nearest(name string, valid []string) string {
	if len(name) > maxNearest {
		return ""
	}
	best, least := "", 0
	for _, v := range valid {
		if v == "" || len(v) > maxNearest {
			continue
		}
		d := distance(name, v)
		longer := max(utf8.RuneCountInString(name), utf8.RuneCountInString(v))
		if d <= max(1, longer/3) && d < longer && (best == "" || d < least) {
			best, least = v, d
		}
	}
	return best
}

// distance is the least number of insertions, deletions, replacements and swaps of neighbours that turn a into b, where
// no part is changed twice (Levenshtein's distance with swaps, known as optimal string alignment).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, above := make([]int, len(t)+1), make([]int, len(t)+1) // the two rows before row
	for j := range above {
		above[j] = j
	}
	for i := range s {
		row := make([]int, len(t)+1)
		row[0] = i + 1
		for j := range t {
			replace := above[j]
			if s[i] != t[j] {
				replace++
			}
			row[j+1] = min(replace, row[j]+1, above[j+1]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above = above, row
	}
	return above[len(t)]
}
