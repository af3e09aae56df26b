package chainspec

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// Arrival is how nodes tell that a block came without being asked. Exactly one of Log and Websocket is set.
type Arrival struct {
	Log       *LogArrival       // log:
	Websocket *WebsocketArrival // websocket:
	Pos       strictyaml.Pos
}

// LogArrival finds blocks in what nodes print.
type LogArrival struct {
	// Source is a regular expression (RE2) with a group named hash, height or both: `height=(?P<height>[0-9]+)`. pattern:
	// required, at most MaxPattern bytes.
	Source string
	Pos    strictyaml.Pos
	re     *regexp.Regexp
}

// WebsocketArrival finds blocks in what nodes send to a subscriber. Authentication and TLS are those of RPC.
type WebsocketArrival struct {
	Port string // port: a name of Ports; default that of rpc
	Path string // path: default /
	// Send is sent when the connection is there, one message each. send: a text or a list; optional.
	Send []Text
	// Hash and Height are applied to every message; null means that the message tells of no block. hash:, height: at least
	// one of them.
	Hash, Height *Query
	Pos          strictyaml.Pos
}

// Find returns what a line that a node printed tells of a block that came: its hash, its height or both; ok is false where
// it tells of none.
func (l *LogArrival) Find(line []byte) (hash string, height uint64, ok bool) {
	if l.re == nil {
		return "", 0, false
	}
	found := l.re.FindSubmatch(line)
	if found == nil {
		return "", 0, false
	}
	for i, name := range l.re.SubexpNames() {
		switch {
		case name == "hash" && len(found[i]) > 0:
			hash, ok = string(found[i]), true
		case name == "height" && len(found[i]) > 0:
			h, err := strconv.ParseUint(strings.ReplaceAll(string(found[i]), ",", ""), 10, 64)
			if err != nil {
				return "", 0, false
			}
			height, ok = h, true
		}
	}
	return hash, height, ok
}

// arrival decodes how nodes tell that a block came.
func (d *chainDecoder) arrival(at strictyaml.Pos, n ast.Node) *Arrival {
	a := &Arrival{Pos: at}
	var given []string
	known := d.Object(n, "arrival", []field{
		{"log", false, func(at strictyaml.Pos, v ast.Node) {
			given = append(given, "log")
			a.Log = &LogArrival{Pos: at}
			d.Object(v, "log", []field{{"pattern", true, func(_ strictyaml.Pos, v ast.Node) { d.arrivalPattern(v, a.Log) }}})
		}},
		{"websocket", false, func(at strictyaml.Pos, v ast.Node) {
			given = append(given, "websocket")
			a.Websocket = d.websocket(at, v)
		}},
	})
	if known && len(given) != 1 {
		d.Failf(strictyaml.NodePos(n), "", "arrival needs one of log and websocket, and has %d of them", len(given))
	}
	return a
}

// arrivalPattern decodes the expression that finds blocks in lines.
func (d *chainDecoder) arrivalPattern(n ast.Node, l *LogArrival) {
	const example = `for example: pattern: 'added block height=(?P<height>[0-9]+)'`
	s, ok := d.Text(n, "pattern")
	if !ok {
		return
	}
	l.Source = s
	if s == "" || len(s) > MaxPattern {
		d.Failf(strictyaml.NodePos(n), example, "pattern has %d bytes, 1 to %d are allowed", len(s), MaxPattern)
		return
	}
	re, err := regexp.Compile(s)
	if err != nil {
		d.Failf(strictyaml.NodePos(n), "a literal bracket, dot or star needs a \\ before it", "pattern: %s",
			strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return
	}
	for _, name := range re.SubexpNames()[1:] {
		if name != "hash" && name != "height" {
			what := fmt.Sprintf("the group %q", name)
			if name == "" {
				what = "a group without a name"
			}
			d.Failf(strictyaml.NodePos(n), "name groups hash or height; a group that is not to be taken begins with (?:", "pattern has %s", what)
			return
		}
	}
	if re.NumSubexp() == 0 {
		d.Failf(strictyaml.NodePos(n), example, "pattern has no group named hash or height")
		return
	}
	l.re = re
}

// websocket decodes a subscription.
func (d *chainDecoder) websocket(at strictyaml.Pos, n ast.Node) *WebsocketArrival {
	w := &WebsocketArrival{Pos: at, Path: "/"}
	known := d.Object(n, "websocket", []field{
		{"port", false, func(_ strictyaml.Pos, v ast.Node) { w.Port, _ = d.Text(v, "port") }},
		{"path", false, func(_ strictyaml.Pos, v ast.Node) {
			s, ok := d.Text(v, "path")
			if ok && !urlPath.MatchString(s) {
				d.Failf(strictyaml.NodePos(v), "for example: path: /websocket", "path: %q is no path", strictyaml.Shorten(s))
				return
			}
			w.Path = s
		}},
		{"send", false, func(_ strictyaml.Pos, v ast.Node) {
			items := []ast.Node{v}
			if list, ok := v.(*ast.SequenceNode); ok {
				items = list.Values
			}
			for _, item := range items {
				w.Send = append(w.Send, d.template(item, "a message to send"))
			}
		}},
		d.optionalQuery("hash", &w.Hash),
		d.optionalQuery("height", &w.Height),
	})
	if known && w.Hash == nil && w.Height == nil {
		d.Failf(strictyaml.NodePos(n), "for example: height: .params.number", "websocket needs hash, height or both")
	}
	return w
}

// urlPath is what can be written for the path of a subscription.
var urlPath = regexp.MustCompile(`^/[A-Za-z0-9._~/?&=%-]{0,999}$`)

// arrival checks the names that a subscription uses.
func (v *chainValidator) arrival(node *shape) {
	a := v.c.Observe.Arrival
	if a == nil || a.Websocket == nil {
		return
	}
	for _, t := range a.Websocket.Send {
		v.text(t, node)
	}
	if a.Websocket.Port == "" {
		a.Websocket.Port = v.c.RPC.Port
	} else if _, ok := v.c.Ports[a.Websocket.Port]; !ok {
		hint := strictyaml.Suggest(a.Websocket.Port, "ports", slices.Sorted(maps.Keys(v.c.Ports)))
		v.failf(a.Websocket.Pos, hint, "websocket: there is no port %q", strictyaml.Shorten(a.Websocket.Port))
	}
}
