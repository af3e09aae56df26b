package chainspec

import (
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// nodesLike is what texts have of a network in which everybody is everybody's peer.
func nodesLike(n int) map[string]any {
	nodes := make([]map[string]any, n)
	for i := range nodes {
		nodes[i] = map[string]any{"Name": "n", "Peers": nodes}
	}
	return map[string]any{
		"Nodes": nodes, "Node": nodes[0], "BlockInterval": 2 * time.Second, "Start": time.Unix(1_700_000_000, 0), "Seed": uint64(1) << 60,
	}
}

// TestTextsEnd: texts that would go on for ever, take all memory or end the program are errors at their place.
func TestTextsEnd(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(64 << 20))
	doubled := `{{$x := "ab"}}` + strings.Repeat(`{{$x = printf "%s%s" $x $x}}`, 60)
	for text, want := range map[string]string{
		`{{range .Nodes}}{{template "t" $}}{{end}}`:                                                "a text cannot define or call templates of its own",
		`{{if .Nodes}}{{else}}{{with .Node}}{{range .Peers}}{{template "t"}}{{end}}{{end}}{{end}}`: "a text cannot define or call templates of its own",
		`a {{block "x" .}}{{end}}`:                                                                 "a text cannot define or call templates of its own",
		`{{define "x"}}{{end}}`:                                                                    "a text cannot define or call templates of its own",
		`{{define "t"}}{{template "t"}}{{end}}`:                                                    "a text cannot define or call templates of its own",
		`{{range .BlockInterval}}{{end}}`:                                                          "range needs a list",
		`{{range 1000000000000}}{{end}}`:                                                           "range needs a list",
		`{{range or .Seed 1}}{{end}}`:                                                              "range needs a list",
		`{{range $i, $x := .Start.UnixNano}}{{end}}`:                                               "range needs a list",
		strings.Repeat(`{{range $.Nodes}}`, 12) + strings.Repeat(`{{end}}`, 12):                    "in more than 1048576 steps",
		strings.Repeat(`{{range $.Nodes}}`, 12) + `{{continue}}` + strings.Repeat(`{{end}}`, 12):   "in more than 1048576 steps",
		doubled + `{{len $x}}`:                                                                     "renders to more than",
		strings.ReplaceAll(doubled, "printf \"%s%s\"", "print") + `{{len $x}}`:                     "renders to more than",
		`{{$x := "\""}}` + strings.Repeat(`{{$x = json $x}}`, 60) + `{{len $x}}`:                   "renders to more than",
		`{{$x := "\\"}}` + strings.Repeat(`{{$x = js $x}}`, 60) + `{{len $x}}`:                     "renders to more than",
		`{{$x := "ab"}}` + strings.Repeat(`{{$x = hex $x}}`, 60) + `{{len $x}}`:                    "renders to more than",
		`{{.Node}}`:              "cannot be written as text",
		`{{.Nodes}}`:             "cannot be written as text",
		`{{index .Nodes 0}}`:     "cannot be written as text",
		`{{print .Node}}`:        "cannot be written as text",
		`{{printf "%v" .Nodes}}`: "cannot be written as text",
		`{{quote .Node}}`:        "cannot be written as text",
		`{{upper .Node}}`:        "cannot be written as text",
		`{{join .Nodes ","}}`:    "cannot be written as text",
		`{{html .}}`:             "cannot be written as text",
	} {
		tmpl, mistake := compileText(&origin{file: "c.yaml", src: []byte("t: " + text)}, strictyaml.Pos{Line: 1, Column: 4}, text)
		err := error(mistake)
		if mistake == nil {
			_, err = tmpl.Render(nodesLike(8))
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "c.yaml:1:") || strings.Contains(err.Error(), "_text") || strings.Contains(err.Error(), "_list") {
			t.Errorf("%.80s: %v, want %s", text, err, want)
		}
	}
}

// TestGuardedTextsRenderAsBefore: what may be walked and written still is.
func TestGuardedTextsRenderAsBefore(t *testing.T) {
	data := nodesLike(2)
	data["Any"], data["Bytes"], data["Nil"], data["Ports"] = []any{"a", 1.5}, []byte{1, 2}, nil, map[string]int{"p2p": 1, "rpc": 2}
	for text, want := range map[string]string{
		`{{range .Nodes}}{{.Name}}{{else}}none{{end}}`:               "nn",
		`{{range $k, $v := .Ports}}{{$k}}={{$v}};{{end}}`:            "p2p=1;rpc=2;",
		`{{range .Nil}}x{{else}}none{{end}}`:                         "none",
		`{{range slice .Nodes 1}}{{.Name}}{{end}}{{.BlockInterval}}`: "n2s",
		`{{.Any}} {{.Bytes}} {{.Nil}} {{len .Nodes}} {{or "" "x"}}`:  "[a 1.5] [1 2] <no value> 2 x",
		`{{.Start.Unix}} {{printf "%#x" 255}} {{html "<"}}`:          "1700000000 0xff &lt;",
	} {
		tmpl, mistake := compileText(nil, strictyaml.Pos{}, text)
		if mistake != nil {
			t.Fatal(mistake)
		}
		if got, err := tmpl.Render(data); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}

// TestRangesAreCheckedWhenTheFileIsRead: the shape of what is walked is still known behind the guard.
func TestRangesAreCheckedWhenTheFileIsRead(t *testing.T) {
	c := parseExample(t)
	root := only(c.roots(len(c.Prepare)), namesNode)
	for text, want := range map[string]string{
		"{{range .Seed}}{{end}}":                                               "template: range needs a list",
		"{{range $i, $x := .BlockInterval}}{{end}}":                            "template: range needs a list",
		"{{range 1000000000000}}{{end}}":                                       "template: range needs a list",
		"{{range .Nodes}}{{.Nmae}}{{end}}":                                     "template: a node has no .Nmae",
		"{{range $i, $n := .Producers}}{{range $n.Peers}}{{.X}}{{end}}{{end}}": "template: a node has no .X",
	} {
		tmpl, mistake := compileText(nil, strictyaml.Pos{}, text)
		if mistake != nil {
			t.Fatal(mistake)
		}
		_, mistakes := checkNames(tmpl, root)
		if !slices.ContainsFunc(mistakes, func(e *strictyaml.Error) bool { return e.Msg == want }) {
			t.Errorf("%s: %v, want %s", text, mistakes, want)
		}
	}
}
