package strictyaml

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

type sample struct {
	Name  string         `yaml:"name,required" pattern:"^[a-z]+$" hint:"use a-z"`
	Count int            `yaml:"count" min:"1" max:"9" default:"3"`
	Seed  uint64         `yaml:"seed" default:"7"`
	Rate  float64        `yaml:"rate" unit:"/s" max:"10"`
	Share float64        `yaml:"share"`
	Wait  time.Duration  `yaml:"wait" min:"1s" max:"1m" default:"5s"`
	Kind  string         `yaml:"kind" enum:"a,b"`
	Each  bool           `yaml:"each" enum:"once,always"`
	On    bool           `yaml:"on"`
	Ports map[string]int `yaml:"ports,nonempty" min:"1" max:"99"`
	Parts []sample       `yaml:"parts" item:"a part" max:"2"`
	Next  *sample        `yaml:"next"`
	Pos   Pos
}

func TestDecoder_Decode(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      sample
		err       string // beginnings of the errors' lines, in order
	}{
		{name: "defaults", src: "name: a", want: sample{Name: "a", Count: 3, Seed: 7, Wait: 5 * time.Second}},
		{
			name: "every kind", src: "{name: a, count: 9, seed: 1, rate: 2.5/s, share: 1/4, wait: 1m, kind: b, each: always, on: true, ports: {p: 5}}",
			want: sample{Name: "a", Count: 9, Seed: 1, Rate: 2.5, Share: .25, Wait: time.Minute, Kind: "b", Each: true, On: true, Ports: map[string]int{"p": 5}},
		},
		{
			name: "nested", src: "name: a\nparts: [{name: b}]\nnext: {name: c}",
			want: sample{
				Name: "a", Count: 3, Seed: 7, Wait: 5 * time.Second,
				Parts: []sample{{Name: "b", Count: 3, Seed: 7, Wait: 5 * time.Second, Pos: Pos{2, 9}}},
				Next:  &sample{Name: "c", Count: 3, Seed: 7, Wait: 5 * time.Second, Pos: Pos{3, 1}},
			},
		},
		{name: "missing", src: "count: 1", err: `f:1:1: the file has no "name"`},
		{name: "pattern", src: "name: A", err: `f:1:7: name: "A" is not valid`},
		{name: "unknown key", src: "nmae: a", err: `f:1:1: unknown key "nmae" in the file`},
		{name: "ranges", src: "name: a\ncount: 0\nwait: 2m\nrate: 11/s\nshare: 1", err: "f:2:8: count: 0 is out of range|f:3:7: wait: 2m is too long|f:4:7: rate: 11/s is too much|f:5:8: share: 1 is out of range"},
		{name: "words", src: "name: a\nkind: c\neach: x\non: y", err: "f:2:7: kind: unknown value|f:3:7: each: unknown value|f:4:5: on: \"y\" is neither"},
		{name: "lengths", src: "name: a\nports: {}\nparts: [{name: a}, {name: a}, {name: a}]", err: "f:2:8: ports is empty|f:3:31: parts has more than 2 elements"},
		{name: "bad name in a map", src: "name: a\nports: {a-b: 1}", err: `f:2:9: ports: "a-b" is not a name`},
		{name: "element of a list", src: "name: a\nparts: [x]", err: "f:2:9: a part must be a mapping"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, err := Parse("f", []byte(c.src), "a file")
			must.Do(t, err)
			d := &Decoder{Source: &Source{File: "f", Text: []byte(c.src)}}
			var got sample
			d.Decode(Node{Node: root, Name: "the file"}, &got)
			if c.err == "" {
				if diff := cmp.Diff(c.want, got); diff != "" || d.Err() != nil {
					t.Error(diff, d.Err())
				}
				return
			}
			text := ""
			if err := d.Err(); err != nil {
				text = err.Error()
			}
			for _, want := range strings.Split(c.err, "|") {
				_, rest, ok := strings.Cut(text, want)
				if !ok {
					t.Fatalf("%q is not in, or not in order:\n%v", want, d.Err())
				}
				text = rest
			}
		})
	}
}
