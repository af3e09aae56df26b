package trace

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

var update = flag.Bool("update", false, "write the tables of docs/trace.md again")

const (
	docFile = "../../docs/trace.md"
	// docMark is the line of docFile below which everything comes from event.go.
	docMark = "<!-- From here on written by `go test ./orchestrator/trace -update`, from event.go. -->\n"
)

// TestDocs_DescribeTheFormat compares docs/trace.md with event.go.
func TestDocs_DescribeTheFormat(t *testing.T) {
	text := string(must.Get(os.ReadFile(docFile))(t))
	head, got, ok := strings.Cut(text, docMark)
	if !ok {
		t.Fatalf("%s lacks the line %s", docFile, docMark)
	}
	want := newFormatDoc(t).render(t)
	if *update {
		must.Do(t, os.WriteFile(docFile, []byte(head+docMark+want), 0o644))
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("go test ./orchestrator/trace -update writes %s again: %s", docFile, d)
	}
	if v := fmt.Sprintf("Format %d", Format); !strings.Contains(head, v) {
		t.Errorf("%s does not say %q", docFile, v)
	}
}

// formatDoc is what event.go says of its types.
type formatDoc struct {
	structs map[string]*ast.StructType
	docs    map[string]string           // of types
	kinds   map[Kind]string             // comments of the constants
	values  map[string][]*ast.ValueSpec // constants by their type
}

func newFormatDoc(t *testing.T) *formatDoc {
	d := &formatDoc{
		structs: make(map[string]*ast.StructType), docs: make(map[string]string), kinds: make(map[Kind]string),
		values: make(map[string][]*ast.ValueSpec),
	}
	file := must.Get(parser.ParseFile(token.NewFileSet(), "event.go", nil, parser.ParseComments))(t)
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			switch x := spec.(type) {
			case *ast.TypeSpec:
				d.docs[x.Name.Name] = oneLine(g.Doc)
				if s, ok := x.Type.(*ast.StructType); ok {
					d.structs[x.Name.Name] = s
				}
			case *ast.ValueSpec:
				typ, ok := x.Type.(*ast.Ident)
				if !ok {
					continue
				}
				d.values[typ.Name] = append(d.values[typ.Name], x)
				if typ.Name == "Kind" {
					d.kinds[Kind(literal(t, x))] = oneLine(x.Comment)
				}
			}
		}
	}
	return d
}

func literal(t *testing.T, x *ast.ValueSpec) string {
	return must.Get(strconv.Unquote(x.Values[0].(*ast.BasicLit).Value))(t)
}

func oneLine(c *ast.CommentGroup) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(c.Text()), " "), "|", "\\|")
}

// render prints a section for every kind of event, in the order of their constants, and then one for every other type.
func (d *formatDoc) render(t *testing.T) string {
	var b strings.Builder
	payload := make(map[string]Kind)
	fields := make(map[string]string) // payload types by the name of their field in JSON
	event := reflect.TypeFor[Event]()
	for i := range event.NumField() {
		if f := event.Field(i); f.Type.Kind() == reflect.Pointer {
			fields[jsonName(f.Tag)] = f.Type.Elem().Name()
		}
	}
	b.WriteString("\n## Every line\n\n")
	d.table(t, &b, "Event")
	for _, x := range d.values["Kind"] {
		kind := Kind(literal(t, x))
		field := string(kind)
		if kind == KindNode {
			field = "lifecycle"
		}
		name := fields[field]
		if name == "" || !slices.Contains(kinds, kind) {
			t.Fatalf("the kind %s has no payload, or is not in the list of kinds", kind)
		}
		payload[name] = kind
		_, what, _ := strings.Cut(d.kinds[kind], ": ")
		fmt.Fprintf(&b, "\n## kind `%s`: %s\n\n", kind, what)
		if field != string(kind) {
			fmt.Fprintf(&b, "Its payload stands under `%s`. ", field)
		}
		fmt.Fprintf(&b, "%s\n\n", d.docs[name])
		d.table(t, &b, name)
	}
	if len(payload) != len(fields) || len(payload) != len(kinds) {
		t.Errorf("%d kinds have constants, %d payloads, %d are in the list of kinds", len(payload), len(fields), len(kinds))
	}
	b.WriteString("\n## Parts of events\n")
	var others []string
	for name := range d.structs {
		if _, ok := payload[name]; !ok && name != "Event" && name != "FormatError" && name != "payload" {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	for _, name := range others {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", name, d.docs[name])
		d.table(t, &b, name)
	}
	var enums []string
	for name := range d.values {
		if name != "Kind" {
			enums = append(enums, name)
		}
	}
	slices.Sort(enums)
	for _, name := range enums {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n", name, d.docs[name])
		for _, x := range d.values[name] {
			fmt.Fprintf(&b, "- `%s`", literal(t, x))
			if c := oneLine(x.Comment); c != "" {
				fmt.Fprintf(&b, ": %s", c)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func jsonName(tag reflect.StructTag) string {
	name, _, _ := strings.Cut(tag.Get("json"), ",")
	return name
}

// table lists the fields of a struct. Those of an Event that are payloads have sections of their own.
func (d *formatDoc) table(t *testing.T, b *strings.Builder, name string) {
	b.WriteString("| field | value | |\n|---|---|---|\n")
	for _, f := range d.structs[name].Fields.List {
		if _, payload := f.Type.(*ast.StarExpr); payload && name == "Event" {
			continue
		}
		tag := reflect.StructTag(must.Get(strconv.Unquote(f.Tag.Value))(t))
		if jsonName(tag) == "-" {
			continue // it is not recorded
		}
		if jsonName(tag) == "" {
			t.Fatalf("%s.%s has no name in JSON", name, f.Names[0])
		}
		value := d.value(t, f.Type)
		if strings.Contains(tag.Get("json"), ",omit") {
			value += ", optional"
		}
		text := oneLine(f.Doc)
		if c := oneLine(f.Comment); c != "" {
			text = strings.TrimSpace(text + " " + c)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", jsonName(tag), value, text)
	}
}

// value says what stands in JSON for a type, with its unit.
func (d *formatDoc) value(t *testing.T, x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return d.value(t, x.X)
	case *ast.SelectorExpr:
		return map[string]string{"Duration": "ns", "Time": "time, RFC 3339"}[x.Sel.Name]
	case *ast.MapType:
		return fmt.Sprintf("object: %s by %s", d.value(t, x.Value), d.value(t, x.Key))
	case *ast.ArrayType:
		if id, ok := x.Elt.(*ast.Ident); ok && id.Name == "byte" {
			return "bytes, base64"
		}
		if x.Len != nil {
			return "pair of " + d.value(t, x.Elt)
		}
		return "list of " + d.value(t, x.Elt)
	case *ast.Ident:
		if known, ok := map[string]string{
			"string": "text", "bool": "true or false", "int": "integer", "int64": "integer", "uint64": "integer", "float64": "number",
			"NodeID": "node", "Hash": "hash", "Kind": "kind",
		}[x.Name]; ok {
			return known
		}
		if d.structs[x.Name] != nil || len(d.values[x.Name]) > 0 {
			return fmt.Sprintf("[%s](#%s)", x.Name, strings.ToLower(x.Name))
		}
	}
	t.Fatalf("no words for the type %T %v", x, x)
	return ""
}
