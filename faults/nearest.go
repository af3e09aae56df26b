package faults

import "unicode/utf8"

// maxNearest bounds the names that Nearest compares, in bytes; longer ones are no typing mistakes.
const maxNearest = 64

// Nearest returns the one of valid that name was most likely meant to be, for "did you mean" hints, or "" when none is
// close: more than a third of the longer name would have to change (Levenshtein distance). The first of equals wins.
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

// distance is the Levenshtein distance: the least number of insertions, deletions and replacements of single
// characters that turn a into b.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i, c := range s {
		diagonal := row[0]
		row[0] = i + 1
		for j, d := range t {
			replace := diagonal
			if c != d {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(t)]
}
