package chainspec

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

//go:generate go test . -run Generated -update

var update = flag.Bool("update", false, "rewrite testdata/errors.txt, schema.json and the reference table in docs/your-own-node.md")

// generated compares what stands in a file with what follows from the types, or puts it there with -update.
func generated(t *testing.T, file, got, want string, write func() string) {
	t.Helper()
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s does not follow from the types any more; run go generate ./testnets/chainspec\n%s", file, cmp.Diff(got, want))
		return
	}
	must.Do(t, os.WriteFile(file, []byte(write()), 0o644))
}

// TestGenerated_Schema: schema.json (JSON Schema, draft 2020-12, for editors) is what the types say. It knows keys and shapes;
// what Parse refuses beyond these it cannot say.
func TestGenerated_Schema(t *testing.T) {
	defs := jsonObject{}
	root := schemaOf(reflect.TypeFor[Chain](), "", defs)
	schema := defs["Chain"].(jsonObject)
	delete(defs, "Chain")
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["$id"] = "https://github.com/netsplit/netsplit/testnets/chainspec/schema.json"
	schema["title"], schema["$defs"] = "netsplit chain file", defs
	if root["$ref"] != "#/$defs/Chain" {
		t.Fatal(root)
	}
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	must.Do(t, enc.Encode(schema))
	got := must.Get(os.ReadFile("schema.json"))(t)
	generated(t, "schema.json", string(got), want.String(), want.String)
}

type jsonObject = map[string]any

// unions are the schemas of types that decode themselves; nil: a struct like any other, beside what is said here.
func unions(defs jsonObject) map[reflect.Type]jsonObject {
	text := jsonObject{"$ref": "#/$defs/Text"}
	anyOf := func(of ...any) jsonObject { return jsonObject{"anyOf": of} }
	list := func(item any) jsonObject { return jsonObject{"type": "array", "items": item} }
	mapping := func(key string, value any) jsonObject {
		return jsonObject{"type": "object", "propertyNames": jsonObject{"pattern": key}, "additionalProperties": value}
	}
	return map[reflect.Type]jsonObject{
		reflect.TypeFor[Text]():     {"type": []string{"string", "number", "boolean"}},
		reflect.TypeFor[Query]():    {"type": "string", "minLength": 1},
		reflect.TypeFor[Pattern]():  {"type": "string", "minLength": 1, "maxLength": MaxPattern},
		reflect.TypeFor[Value]():    {"type": []string{"array", "object"}},
		reflect.TypeFor[CallRefs](): anyOf(jsonObject{"type": "string"}, jsonObject{"type": "array", "items": jsonObject{"type": "string"}, "minItems": 1}),
		reflect.TypeFor[Texts]():    anyOf(text, list(text)),
		reflect.TypeFor[Files]():    mapping("^/.", text),
		reflect.TypeFor[Paths]():    list(jsonObject{"type": "string", "pattern": "^/."}),
		reflect.TypeFor[Captures](): mapping("^[A-Za-z_][A-Za-z0-9_]{0,39}$", schemaOf(reflect.TypeFor[Capture](), "", defs)),
		reflect.TypeFor[Env]():      anyOf(list(text), mapping("^[^=]+$", text)),
		reflect.TypeFor[Memory]():   {"type": "string", "pattern": memoryText.String()},
		reflect.TypeFor[Sysctls]():  mapping(sysctlName.String(), jsonObject{"type": []string{"string", "number"}}),
	}
}

// oneOf are the structs of whose keys exactly one must be given.
var oneOf = map[reflect.Type][]string{
	reflect.TypeFor[ImageSpec](): {"go", "binary", "ref", "dockerfile"},
	reflect.TypeFor[Capture]():   {"file", "stdout"},
	reflect.TypeFor[Arrival]():   {"log", "websocket"},
	reflect.TypeFor[Call]():      {"method", "path"},
}

// schemaOf is the schema of a field of type t. Named types go to defs.
func schemaOf(t reflect.Type, tag reflect.StructTag, defs jsonObject) jsonObject {
	if t.Kind() == reflect.Pointer {
		return schemaOf(t.Elem(), tag, defs)
	}
	limits := func(s jsonObject, least, most string) jsonObject {
		for key, name := range map[string]string{"min": least, "max": most, "default": "default"} {
			if n, err := strconv.Atoi(tag.Get(key)); err == nil {
				s[name] = n
			}
		}
		return s
	}
	named := func(make func() jsonObject) jsonObject {
		if defs[t.Name()] == nil {
			defs[t.Name()] = jsonObject{} // ends circles
			defs[t.Name()] = make()
		}
		return jsonObject{"$ref": "#/$defs/" + t.Name()}
	}
	if t != reflect.TypeFor[Capture]() && t.Kind() != reflect.Bool && t.PkgPath() == reflect.TypeFor[Chain]().PkgPath() {
		if s := unions(defs)[t]; s != nil {
			return named(func() jsonObject { return s })
		}
	}
	words := func() []string { return strings.Split(tag.Get("enum"), ",") }
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return jsonObject{"type": "string", "pattern": "^[0-9]"}
	case t.Kind() == reflect.Struct:
		return named(func() jsonObject { return structSchema(t, defs) })
	case t.Kind() == reflect.Slice:
		return limits(jsonObject{"type": "array", "items": schemaOf(t.Elem(), "", defs)}, "minItems", "maxItems")
	case t.Kind() == reflect.Map:
		s := jsonObject{"type": "object", "additionalProperties": schemaOf(t.Elem(), tag, defs), "propertyNames": jsonObject{"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,39}$"}}
		if strings.Contains(tag.Get("yaml"), "nonempty") {
			s["minProperties"] = 1
		}
		return s
	case tag.Get("enum") != "":
		return jsonObject{"enum": words()}
	case t.Kind() == reflect.Bool:
		return jsonObject{"type": "boolean"}
	case t.Kind() == reflect.Int:
		return limits(jsonObject{"type": "integer"}, "minimum", "maximum")
	case t.Kind() == reflect.Float64:
		return jsonObject{"type": []string{"string", "number"}}
	}
	s := jsonObject{"type": "string"}
	if p := tag.Get("pattern"); p != "" {
		s["pattern"] = p
	}
	return s
}

// structSchema is the schema of a struct, or of what else it may be written as.
func structSchema(t reflect.Type, defs jsonObject) jsonObject {
	properties, required := jsonObject{}, []string{}
	for f := range keysOf(t) {
		s := schemaOf(f.field.Type, f.field.Tag, defs)
		s["description"] = f.doc()
		properties[f.key] = s
		if f.required {
			required = append(required, f.key)
		}
	}
	s := jsonObject{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		s["required"] = required
	}
	var one []jsonObject
	for _, key := range oneOf[t] {
		one = append(one, jsonObject{"required": []string{key}})
	}
	if one != nil {
		s["oneOf"] = one
	}
	switch t {
	case reflect.TypeFor[Arg]():
		return jsonObject{"anyOf": []jsonObject{{"$ref": "#/$defs/Text"}, s}}
	case reflect.TypeFor[Peers]():
		return jsonObject{"anyOf": []jsonObject{{"const": "topology"}, s}}
	}
	return s
}

// key is a key of a mapping.
type key struct {
	key      string
	required bool
	field    reflect.StructField
}

// keysOf lists the keys of a struct in order.
func keysOf(t reflect.Type) func(yield func(key) bool) {
	return func(yield func(key) bool) {
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if name != "" && !yield(key{name, strings.Contains(options, "required"), f}) {
				return
			}
		}
	}
}

func (k key) doc() string { return k.field.Tag.Get("doc") }

// absent says what counts where the key is not given.
func (k key) absent() string {
	tag := k.field.Tag
	switch {
	case k.required:
		return "required"
	case tag.Get("default") != "":
		return "`" + tag.Get("default") + "`"
	}
	return tag.Get("absent")
}

// ownNodePage is the page that teaches to write a chain file.
const ownNodePage = "../../docs/your-own-node.md"

// TestGenerated_Reference: the table of keys in the page is what the types say.
func TestGenerated_Reference(t *testing.T) {
	page := readText(t, ownNodePage)
	before, rest, ok := strings.Cut(page, "| Key | Meaning | Default |\n|---|---|---|\n")
	end := strings.Index(rest, "\n\n")
	if !ok || end < 0 {
		t.Fatal("the page has no table of keys")
	}
	var rows strings.Builder
	reference(&rows, "", reflect.TypeFor[Chain]())
	generated(t, ownNodePage, rest[:end+1], rows.String(), func() string {
		return before + "| Key | Meaning | Default |\n|---|---|---|\n" + rows.String() + rest[end+1:]
	})
}

// reference writes the rows of a struct's keys.
func reference(b *strings.Builder, prefix string, t reflect.Type) {
	for f := range keysOf(t) {
		if f.doc() == "" {
			fmt.Fprintf(b, "%s%s is not explained\n", prefix, f.key)
		}
		path, doc, inner := prefix+f.key, f.doc(), f.field.Type
		if words, ok := f.field.Tag.Lookup("enum"); ok && f.field.Type.Kind() == reflect.String {
			doc += ": `" + strings.ReplaceAll(words, ",", "`, `") + "`"
		}
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case inner == reflect.TypeFor[Captures]():
			path, inner = path+".NAME", reflect.TypeFor[Capture]()
		case inner.Kind() == reflect.Slice && inner.Name() == "":
			path, inner = path+"[]", inner.Elem()
		case inner.Kind() == reflect.Map && inner.Name() == "":
			path, inner = path+".NAME", inner.Elem()
		}
		short := inner == reflect.TypeFor[Observation]() || inner == reflect.TypeFor[BlockAction]()
		if short { // explained below the table
			var keys []string
			for k := range keysOf(inner) {
				keys = append(keys, k.key)
			}
			doc = "`{" + strings.Join(keys, ", ") + "}`: " + doc
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", path, strings.ReplaceAll(doc, "|", `\|`), f.absent())
		if inner.Kind() == reflect.Struct && !short && inner != reflect.TypeFor[Peers]() && inner != reflect.TypeFor[Text]() {
			reference(b, path+".", inner)
		}
	}
}
