package strictyaml

import (
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Node is a YAML value that a field of a struct is to take.
type Node struct {
	ast.Node
	Name string            // how messages name it, its key for instance
	At   Pos               // where its key stands; in a list, the value itself
	Tag  reflect.StructTag // of the field
}

// Unmarshaler is a type that decodes itself. Mistakes go to d.
type Unmarshaler interface {
	UnmarshalYAML(d *Decoder, n Node)
}

// Checker is a struct that checks what no single key can show, after its keys were decoded.
type Checker interface {
	Check(o *Mapping)
}

// Mapping is a mapping that a struct was decoded from.
type Mapping struct {
	*Decoder
	Node
	Pos   Pos                 // where the mapping begins
	Known bool                // it is a mapping, and all its keys are known
	Keys  map[string]Pos      // where the given keys stand
	Value map[string]ast.Node // their values
}

// Has reports whether the file gives a key.
func (m *Mapping) Has(key string) bool { return m.Value[key] != nil }

// identifier is what the keys of a map can be, since templates name them.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,39}$`)

// Decode decodes a value into what out points to: an Unmarshaler, a struct (see Struct), a pointer, a list, a map of names,
// a text, a number, a truth value or a duration. The field's tags say what is allowed:
//
//	yaml:"KEY,required,nonempty"  the key; it must be given; the list or map must have an element
//	enum:"a,b"                    one of these words; of a bool, the last one is true and the default false
//	min:"1" max:"10"              range of a number or a duration, both included; max of a list is its length
//	pattern:"^x$" hint:"..."      what a text must match, and what to say if it does not
//	unit:"/s"                     a float is a rate per second; without it, a share from 0 to below 1, such as 0.5 and 2/3
//	default:"..."                 what counts where the key is not given
//	item:"a step"                 what a list's element is called in messages
func (d *Decoder) Decode(n Node, out any) { d.decode(n, reflect.ValueOf(out).Elem()) }

func (d *Decoder) decode(n Node, out reflect.Value) {
	if u, ok := out.Addr().Interface().(Unmarshaler); ok {
		u.UnmarshalYAML(d, n)
		return
	}
	switch out.Kind() {
	case reflect.Pointer:
		out.Set(reflect.New(out.Type().Elem()))
		d.decode(n, out.Elem())
	case reflect.Struct:
		d.structure(n, out)
	case reflect.Slice:
		d.list(n, out)
	case reflect.Map:
		d.names(n, out)
	default:
		d.scalar(n, out)
	}
}

// Struct decodes a mapping into the struct that out points to, key by key; a field named Pos gets its place. It is for an
// Unmarshaler that is a mapping among other things; all else uses Decode.
func (d *Decoder) Struct(n Node, out any) { d.structure(n, reflect.ValueOf(out).Elem()) }

func (d *Decoder) structure(n Node, out reflect.Value) {
	m := &Mapping{Decoder: d, Node: n, Pos: NodePos(n.Node), Keys: make(map[string]Pos), Value: make(map[string]ast.Node)}
	var fields []Field
	for i := range out.NumField() {
		f, v := out.Type().Field(i), out.Field(i)
		if f.Name == "Pos" {
			v.Set(reflect.ValueOf(n.At))
		}
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "" {
			continue
		}
		if text, ok := f.Tag.Lookup("default"); ok {
			setDefault(v, text)
		}
		fields = append(fields, Field{Key: key, Required: strings.Contains(options, "required"), Read: func(at Pos, value ast.Node) {
			m.Keys[key], m.Value[key] = at, value
			d.decode(Node{Node: value, Name: key, At: at, Tag: f.Tag}, v)
		}})
	}
	m.Known = d.Object(n.Node, n.Name, fields)
	if c, ok := out.Addr().Interface().(Checker); ok {
		c.Check(m)
	}
}

// setDefault sets what a field is where the file does not say.
func setDefault(v reflect.Value, text string) {
	switch v.Interface().(type) {
	case string:
		v.SetString(text)
	case int:
		n, _ := strconv.Atoi(text)
		v.SetInt(int64(n))
	case uint64:
		n, _ := strconv.ParseUint(text, 10, 64)
		v.SetUint(n)
	case time.Duration:
		length, _ := time.ParseDuration(text)
		v.SetInt(int64(length))
	}
}

// list decodes a list.
func (d *Decoder) list(n Node, out reflect.Value) {
	items, ok := d.Items(n.Node, n.Name)
	d.nonempty(n, ok, len(items))
	if most, err := strconv.Atoi(n.Tag.Get("max")); err == nil && len(items) > most {
		d.Failf(NodePos(items[most]), "", "%s has more than %d elements", n.Name, most)
		return
	}
	what := n.Tag.Get("item")
	if what == "" {
		what = "an element of " + n.Name
	}
	for _, item := range items {
		elem := reflect.New(out.Type().Elem()).Elem()
		d.decode(Node{Node: item, Name: what, At: NodePos(item)}, elem)
		out.Set(reflect.Append(out, elem))
	}
}

// names decodes a map whose keys templates can name.
func (d *Decoder) names(n Node, out reflect.Value) {
	out.Set(reflect.MakeMap(out.Type()))
	ok := d.NamedMapping(n, func(name string, at Pos, value ast.Node) {
		elem := reflect.New(out.Type().Elem()).Elem()
		d.decode(Node{Node: value, Name: n.Name + "." + name, At: at, Tag: n.Tag}, elem)
		// The name stays known even where its value is wrong: one mistake, one message.
		out.SetMapIndex(reflect.ValueOf(name), elem)
	})
	d.nonempty(n, ok, out.Len())
}

// NamedMapping decodes a mapping whose keys templates can name. It returns false when there was a mistake.
func (d *Decoder) NamedMapping(n Node, read func(name string, at Pos, value ast.Node)) bool {
	return d.Mapping(n.Node, n.Name, func(key string, at Pos, value ast.Node) bool {
		if !identifier.MatchString(key) {
			d.Failf(at, "use letters, digits and _, for example \"block_at\"", "%s: %q is not a name of 1 to 40 characters", n.Name, Shorten(key))
			return false
		}
		read(key, at, value)
		return true
	})
}

func (d *Decoder) nonempty(n Node, ok bool, length int) {
	if ok && length == 0 && strings.Contains(n.Tag.Get("yaml"), ",nonempty") {
		pos := NodePos(n.Node)
		d.Failf(pos, n.Tag.Get("hint"), "%s is empty", n.Name)
	}
}

// scalar decodes a single value.
func (d *Decoder) scalar(n Node, out reflect.Value) {
	switch p := out.Addr().Interface().(type) {
	case *bool:
		d.bool(n, p)
	case *int:
		least, _ := strconv.Atoi(n.Tag.Get("min"))
		most, _ := strconv.Atoi(n.Tag.Get("max"))
		d.Integer(n.Node, n.Name, least, most, p)
	case *uint64:
		d.unsigned(n, p)
	case *time.Duration:
		least, _ := time.ParseDuration(n.Tag.Get("min"))
		most, _ := time.ParseDuration(n.Tag.Get("max"))
		d.Duration(n.Node, n.Name, Bounds{Min: least, Max: most}, p)
	case *float64:
		if n.Tag.Get("unit") == "/s" {
			most, _ := strconv.ParseFloat(n.Tag.Get("max"), 64)
			d.Rate(n.Node, n.Name, most, p)
		} else {
			d.share(n, p)
		}
	default:
		var s string
		d.string(n, &s)
		out.SetString(s)
	}
}

func (d *Decoder) bool(n Node, out *bool) {
	words, ok := n.Tag.Lookup("enum")
	if !ok {
		d.Boolean(n.Node, n.Name, out)
		return
	}
	list, word := strings.Split(words, ","), ""
	d.Word(n.Node, n.Name, list, &word)
	*out = word == list[len(list)-1]
}

// patterns are the compiled patterns of tags.
var patterns sync.Map

func (d *Decoder) string(n Node, out *string) {
	if words, ok := n.Tag.Lookup("enum"); ok {
		d.Word(n.Node, n.Name, strings.Split(words, ","), out)
		return
	}
	s, ok := d.Text(n.Node, n.Name)
	if !ok {
		return
	}
	if pattern, ok := n.Tag.Lookup("pattern"); ok {
		re, ok := patterns.Load(pattern)
		if !ok {
			re, _ = patterns.LoadOrStore(pattern, regexp.MustCompile(pattern))
		}
		if !re.(*regexp.Regexp).MatchString(s) {
			d.Failf(NodePos(n.Node), n.Tag.Get("hint"), "%s: %q is not valid", n.Name, Shorten(s))
			return
		}
	}
	*out = s
}
