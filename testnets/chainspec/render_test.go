package chainspec

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// textAt parses a good template that stands at a place of a file.
func textAt(t *testing.T, from strictyaml.Source, pos strictyaml.Pos, source string) Text {
	t.Helper()
	text := Text{Source: source, Pos: pos, from: &from}
	if mistake := text.parse(); mistake != nil {
		t.Fatal(mistake)
	}
	return text
}

// queryAt compiles a good expression that stands at a place of a file.
func queryAt(t *testing.T, from strictyaml.Source, pos strictyaml.Pos, source string) Query {
	t.Helper()
	q := Query{Source: source, Pos: pos, from: &from}
	if mistake := q.compile(); mistake != nil {
		t.Fatal(mistake)
	}
	return q
}

func TestText_Functions(t *testing.T) {
	data := map[string]any{
		"Bytes": []byte{0xab, 1}, "Names": []string{"a", "b"}, "Any": []any{1, "x"}, "Interval": 1500 * time.Millisecond,
		"Two": 2 * time.Second, "Seed": uint64(math.MaxUint64), "Small": uint8(7), "Float": 3.0, "Half": 0.5, "Inf": math.Inf(1),
		"Number": json.Number("12"), "Map": map[string]any{"b": 1, "a": "<&>"}, "Secret": "hunter2", "Nil": nil,
		"Huge": float64(1 << 63), "Func": func() {},
	}
	for _, c := range []struct{ text, want, err string }{
		{text: `{{json .Map}} {{json .Names}} {{json .Nil}}`, want: `{"a":"<&>","b":1} ["a","b"] null`},
		{text: `{{json .Func}}`, err: "a func() has no JSON"},
		{text: `{{int "12"}} {{int " 0xff "}} {{int .Float}} {{int .Small}} {{int .Number}} {{int .Interval}} {{int -3}}`, want: "12 255 3 7 12 1500000000 -3"},
		{text: `{{int .Secret}}`, err: "the value is not a whole number"},
		{text: `{{int .Seed}}`, err: "the value is not a whole number"},
		{text: `{{int .Half}}`, err: "the value is not a whole number"},
		{text: `{{int .Huge}}`, err: "the value is not a whole number"},
		{text: `{{int .Inf}}`, err: "the value is not a whole number"},
		{text: `{{int .Nil}}`, err: "the value is not a whole number"},
		{text: `{{int .Map}}`, err: "the value is not a whole number"},
		{text: `{{join .Names ","}} {{.Names | join "-"}} {{join .Any ";"}}`, want: "a,b a-b 1;x"},
		{text: `{{join "a" "b"}}`, err: "there is no list to join"},
		{text: `{{hex .Bytes}} {{hex "ab"}} {{hex 255}} {{hex .Seed}}`, want: "ab01 6162 ff ffffffffffffffff"},
		{text: `{{hex -1}}`, err: "neither bytes nor text nor a whole number"},
		{text: `{{hex .Half}}`, err: "neither bytes nor text nor a whole number"},
		{text: `{{add 1 "2" .Float 0}} {{add}} {{mul 2 -3 .Small}} {{mul}} {{add 5 -7}}`, want: "6 0 -42 1 -2"},
		{text: `{{add 9223372036854775807 1}}`, err: "does not fit"},
		{text: `{{add -9223372036854775808 -1}}`, err: "does not fit"},
		{text: `{{mul 4294967296 4294967296}}`, err: "does not fit"},
		{text: `{{mul -9223372036854775808 -1}}`, err: "does not fit"},
		{text: `{{add .Secret}}`, err: "the value is not a whole number"},
		{text: `{{seconds .Interval}} {{seconds .Two}} {{seconds "1m"}} {{millis .Interval}}`, want: "1.5 2 60 1500"},
		{text: `{{seconds .Secret}}`, err: "the value is not a duration"},
		{text: `{{millis 3}}`, err: "the value is not a duration"},
		{text: `{{upper "aB"}} {{lower "aB"}} {{quote "a\"<b"}} {{quote 3}}`, want: `AB ab "a\"<b" "3"`},
		{text: `{{.None}}`, err: `map has no entry for key "None"`},
		{text: "a\n  {{.None}}", err: `c.yaml:2:5: template: <.None>: map has no entry for key "None"`},
	} {
		tmpl := textAt(t, strictyaml.Source{File: "c.yaml", Text: []byte("|\n a\n   {{.None}}\n")}, strictyaml.Pos{Line: 1, Column: 1}, c.text)
		got, err := tmpl.Render(data)
		switch {
		case c.err == "" && (err != nil || got != c.want):
			t.Errorf("%s: %q, %v", c.text, got, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(c.err, "c.yaml:2:5: "))):
			t.Errorf("%s: %q, %v", c.text, got, err)
		case err != nil && (!errors.As(err, new(*strictyaml.Error)) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v", c.text, err)
		}
	}
}

// TestCheckNames: what templates may say, and which names of the top they use.
func TestCheckNames(t *testing.T) {
	c := parseExample(t)
	root := only(c.roots(len(c.Prepare)), namesNode)
	for text, want := range map[string]string{
		"{{range $n := .Nodes}}{{$n.Name}}{{break}}{{else}}{{.Seed}}{{end}}":        "Nodes Seed",
		"{{range $name, $port := .Ports}}{{$name}}={{$port}}{{end}}":                "Ports",
		"{{range .Node.Keys}}{{.PrivateHex}}{{end}}":                                "Node",
		"{{range (slice .Nodes 1)}}{{.Name}}{{end}}":                                "Nodes",
		"{{with $k := .Node.Keys.node}}{{$k.PublicHex}}{{.PublicHex}}{{end}}":       "Node",
		"{{if and .Node.Produces (gt .Node.Mine 1.5)}}{{.Start.Unix}}{{end}}":       "Node Start",
		"{{(index .Node.Peers 0).Keys.account.AddressHex}}{{index .Ports \"p2p\"}}": "Node Ports",
		"{{(or .Seed .Node).Unknown}}{{.BlockInterval.Seconds}}{{/* a comment */}}": "BlockInterval Node Seed",
		"{{$.Network}}{{true}}{{nil | json}}{{printf \"%d\" 'x'}}":                  "Network",
		"{{$x := 1}}{{$x = 2}}{{range .Producers}}{{len .Peers}}{{$.Seed}}{{end}}":  "Producers Seed",
		"{{(.Start.Add 5).Unix}}{{.Node.Addr.String}}{{range .Node.Peers}}.{{end}}": "Node Start",
	} {
		tmpl := textAt(t, strictyaml.Source{}, strictyaml.Pos{}, text)
		used, mistakes := checkNames(tmpl, root)
		if len(mistakes) > 0 {
			t.Errorf("%s: %v", text, mistakes[0])
		}
		if got := strings.Join(slices.Sorted(maps.Keys(used)), " "); got != want {
			t.Errorf("%s uses %s, want %s", text, got, want)
		}
	}
}

// TestText_RenderError: a mistake that shows in use has its place in the file.
func TestText_RenderError(t *testing.T) {
	c := parseExample(t)
	_, err := c.Start.Files[1].Text.Render(map[string]any{"Node": map[string]any{"Name": "a", "captured": map[string]any{}}})
	want := `dir/c.yaml:24:28: template: <.Node.captured.token>: map has no entry for key "token"
  24 |       token = {{quote .Node.captured.token}}
     |                            ^`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if got, err := (Text{Source: "plain"}).Render(nil); got != "plain" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestText_RenderLimit(t *testing.T) {
	text := textAt(t, strictyaml.Source{}, strictyaml.Pos{}, `{{range .N}}{{printf "%01000000d" 1}}{{end}}`)
	_, err := text.Render(map[string]any{"N": []int{1, 2, 3, 4, 5}})
	if err == nil || !strings.Contains(err.Error(), "renders to more than 4194304 bytes") {
		t.Error(err)
	}
}

func TestValue_Render(t *testing.T) {
	c := parseExample(t, `["{{int .Height}}"]`, `["{{int .Height}}", "{{.Height | int}}", "{{int .Height}} ", "{{.Height}}", "{{$x := 1}}", -7, 2.50, true, null, [], {}]`)
	data := map[string]any{"Height": uint64(12), "Last": "ab"}
	for call, want := range map[string]string{
		"hash_at": `[12,12,"12 ","12","",-7,2.50,true,null,[],{}]`,
		"block":   `{"depth":1.5,"full":true,"hash":"ab","list":["a"],"none":null}`,
	} {
		v := must.Get(c.Calls[call].Params.Render(data))(t)
		got, err := json.Marshal(v)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", call, got, err)
		}
	}
	for _, call := range []string{"hash_at", "block"} {
		if _, err := c.Calls[call].Params.Render(map[string]any{}); !errors.As(err, new(*strictyaml.Error)) {
			t.Errorf("%s: %v", call, err)
		}
	}
}

func TestQuery_Run(t *testing.T) {
	query := func(source string) Query {
		return queryAt(t, strictyaml.Source{File: "c.yaml", Text: []byte("jq: .")}, strictyaml.Pos{Line: 1, Column: 5}, source)
	}
	in := map[string]any{"a": 1.0, "list": []any{"x"}}
	got, err := query(".list + [.a]").Run(t.Context(), in)
	if d := cmp.Diff([]any{"x", 1.0}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	if got, err := query("$ENV | length").Run(t.Context(), nil); got != 0 || err != nil {
		t.Errorf("the environment is visible: %v, %v", got, err)
	}
	for source, want := range map[string]string{
		".a.b":             `c.yaml:1:5: jq .a.b: expected an object but got: number (1)`,
		"empty":            "gives nothing",
		".list[],.a":       "gives more than one result",
		".a, error(\"x\")": "error: x",
		"halt":             "jq halt: ",
		"error(null)":      "jq error(null): ",
	} {
		if got, err := query(source).Run(t.Context(), in); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.HasSuffix(err.Error(), `hint: the reply was {"a":1,"list":["x"]}`) || !errors.As(err, new(*strictyaml.Error)) {
			t.Errorf("%s: %v, %v", source, got, err)
		}
	}
	if _, err := query(".x.y").Run(t.Context(), strings.Repeat("é", 1000)); err == nil || !strings.Contains(err.Error(), "é...") || len(err.Error()) > 1000 {
		t.Error(err)
	}
	// What is no JSON is an error, not the end of the program.
	if _, err := query("tojson").Run(t.Context(), []any{make(chan int)}); err == nil || !strings.Contains(err.Error(), "the reply was a []interface {}") {
		t.Error(err)
	}
}

// TestQuery_Deadline: a query without end is stopped, by its own limit or by its caller.
func TestQuery_Deadline(t *testing.T) {
	q := queryAt(t, strictyaml.Source{}, strictyaml.Pos{}, "def f: f; f")
	if _, err := q.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "does not end within 1s") {
		t.Error(err)
	}
	more := queryAt(t, strictyaml.Source{}, strictyaml.Pos{}, "1, (def f: f; f)")
	if _, err := more.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "does not end within 1s") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Run(ctx, nil); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Error(err)
	}
}

// TestText_Render: lists, objects and what is missing.
func TestText_Render(t *testing.T) {
	nodes := []map[string]any{{"Name": "n"}, {"Name": "m"}}
	data := map[string]any{"Nodes": nodes, "BlockInterval": 2 * time.Second, "Start": time.Unix(1_700_000_000, 0),
		"Any": []any{"a", 1.5}, "Bytes": []byte{1, 2}, "Nil": nil, "Ports": map[string]int{"p2p": 1, "rpc": 2}}
	for text, want := range map[string]string{
		`{{range .Nodes}}{{.Name}}{{else}}none{{end}}`:               "nm",
		`{{range $k, $v := .Ports}}{{$k}}={{$v}};{{end}}`:            "p2p=1;rpc=2;",
		`{{range .Nil}}x{{else}}none{{end}}`:                         "none",
		`{{range slice .Nodes 1}}{{.Name}}{{end}}{{.BlockInterval}}`: "m2s",
		`{{.Any}} {{.Bytes}} {{.Nil}} {{len .Nodes}} {{or "" "x"}}`:  "[a 1.5] [1 2] <no value> 2 x",
		`{{.Start.Unix}} {{printf "%#x" 255}} {{html "<"}}`:          "1700000000 0xff &lt;",
	} {
		tmpl := textAt(t, strictyaml.Source{}, strictyaml.Pos{}, text)
		if got, err := tmpl.Render(data); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}

// TestCheckNames_Mistakes: ranges over numbers, and objects that are written as text.
func TestCheckNames_Mistakes(t *testing.T) {
	c := parseExample(t)
	root := only(c.roots(len(c.Prepare)), namesNode)
	const notText = "template: an object or a list of such cannot be written as text"
	for text, want := range map[string]string{
		"{{range .Seed}}{{end}}":                                               "template: range needs a list",
		"{{range $i, $x := .BlockInterval}}{{end}}":                            "template: range needs a list",
		"{{range 1000000000000}}{{end}}":                                       "template: range needs a list",
		"{{range .Nodes}}{{.Nmae}}{{end}}":                                     "template: a node has no .Nmae",
		"{{range $i, $n := .Producers}}{{range $n.Peers}}{{.X}}{{end}}{{end}}": "template: a node has no .X",
		`{{.Node}}`:                notText,
		`{{.}}`:                    notText,
		`a {{block "x" .}}{{end}}`: "template: a text cannot define templates of its own",
		`{{.Nodes}}`:               notText,
		`{{index .Nodes 0}}`:       notText,
		`{{slice .Nodes 1}}`:       notText,
		`{{or .Node 1}}`:           notText,
		`{{print .Node}}`:          notText,
		`{{printf "%v" .Nodes}}`:   notText,
		`{{quote .Node}}`:          notText,
		`{{.Node | upper}}`:        notText,
		`{{join .Nodes ","}}`:      notText,
		`{{html .}}`:               notText,
	} {
		tmpl := textAt(t, strictyaml.Source{}, strictyaml.Pos{}, text)
		_, mistakes := checkNames(tmpl, root)
		if !slices.ContainsFunc(mistakes, func(e *strictyaml.Error) bool { return e.Msg == want }) {
			t.Errorf("%s: %v, want %s", text, mistakes, want)
		}
	}
}

// TestQuery_LongNumbers: a reply with a number of a million digits costs no time, whether the expression reads it as a number
// or only passes it.
func TestQuery_LongNumbers(t *testing.T) {
	nines := strings.Repeat("9", 1<<20)
	for source, in := range map[string]any{
		".height | tonumber": map[string]any{"height": nines},
		".height + 1":        map[string]any{"height": json.Number(nines)},
		".[0][0] | floor":    []any{[]any{json.Number("-" + nines)}},
		".[0] | tonumber":    []any{nines + ".5e3"},
	} {
		q := queryAt(t, strictyaml.Source{}, strictyaml.Pos{}, source)
		if got, err := q.Run(t.Context(), in); err == nil || !strings.Contains(err.Error(), "characters, at most 1000 are read") {
			t.Errorf("%s: %.50v, %v", source, got, err)
		}
	}
	// What only begins as a number does is a text like any other.
	q := queryAt(t, strictyaml.Source{}, strictyaml.Pos{}, "length")
	for _, text := range []string{nines + "x", strings.Repeat("a", 1<<20), strings.Repeat("9", maxDigits)} {
		if got, err := q.Run(t.Context(), text); err != nil || got != len(text) {
			t.Errorf("%.10s: %v, %v", text, got, err)
		}
	}
}
