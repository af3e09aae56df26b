package sim

import "strings"

// Bounds of a node's log: maxLines lines, and a share of logBytes that is at most maxLogBytes and at least minLogBytes.
const (
	maxLines    = 1000
	logBytes    = 64 << 20
	maxLogBytes = 256 << 10
	minLogBytes = 8 << 10
)

// ring keeps the last lines that a node printed, in one buffer that grows to its limit and then starts to lose the
// oldest lines.
type ring struct {
	limit int    // bytes
	buf   []byte // whole lines, each with its newline
	lines int
}

// limitFor returns the bytes that each of n nodes may keep.
func limitFor(n int) int { return min(max(logBytes/max(n, 1), minLogBytes), maxLogBytes) }

// add appends one line, without its newline.
func (r *ring) add(line []byte) {
	if len(line) >= r.limit {
		line = line[:max(r.limit-1, 0)]
	}
	if len(r.buf)+len(line)+1 > r.limit || r.lines >= maxLines {
		r.drop(len(line) + 1)
	}
	r.buf = append(append(r.buf, line...), '\n')
	r.lines++
}

// addText appends text of any number of lines.
func (r *ring) addText(text string) {
	for line := range strings.Lines(text) {
		r.add([]byte(strings.TrimRight(line, "\r\n")))
	}
}

// drop loses the older half of the lines, and more if need is not free then; by halves, so that a line costs little.
func (r *ring) drop(need int) {
	keepBytes, keepLines := min(r.limit/2, r.limit-need), maxLines/2
	i := len(r.buf)
	lines := 0
	for i > 0 && lines < keepLines {
		j := i - 1
		for j > 0 && r.buf[j-1] != '\n' {
			j--
		}
		if len(r.buf)-j > keepBytes {
			break
		}
		i = j
		lines++
	}
	r.buf = r.buf[:copy(r.buf, r.buf[i:])]
	r.lines = lines
}

// tail returns at most the last n lines, oldest first.
func (r *ring) tail(n int) []string {
	if r.lines == 0 || n <= 0 {
		return nil
	}
	all := strings.Split(strings.TrimSuffix(string(r.buf), "\n"), "\n")
	return all[max(len(all)-n, 0):]
}
