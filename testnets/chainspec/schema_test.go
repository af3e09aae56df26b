package chainspec

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// schemaObjects finds the objects of a schema that allow no other keys, by where they stand.
func schemaObjects(at string, v any, out map[string]map[string]any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			schemaObjects(at, item, out)
		}
	case map[string]any:
		if v["additionalProperties"] == false {
			out[at] = v
		} else if v["properties"] != nil && at != "" && v["type"] == "object" {
			out[at+" (open)"] = v
		}
		for key, part := range v {
			switch key {
			case "properties", "$defs":
				for name, p := range part.(map[string]any) {
					schemaObjects(strings.TrimPrefix(at+"."+name, "."), p, out)
				}
			case "additionalProperties", "items":
				schemaObjects(at+".*", part, out)
			case "anyOf":
				schemaObjects(at, part, out)
			}
		}
	}
}

// TestChainSchema: in every object, the schema has the keys that the decoder has, and the same ones are required.
func TestSchema(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	if schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("$schema is %v", schema["$schema"])
	}
	// Where each object stands in a chain file; X is put there.
	probes := map[string]string{
		"": "X", "image": "image: X", "step": "prepare: [X]", "step.capture.*": "prepare: [{capture: {a: X}}]",
		"start": "start: X", "start.args.*": "start: {args: [X]}", "ready": "ready: X", "peers": "peers: X", "first_block": "first_block: X", "rpc": "rpc: X",
		"rpc.basic": "rpc: {basic: X}", "calls.*": "calls: {a: X}", "observe": "observe: X", "observation": "observe: {head: X}",
		"observe.block": "observe: {block: X}", "observe.arrival": "observe: {arrival: X}",
		"observe.arrival.log": "observe: {arrival: {log: X}}", "observe.arrival.websocket": "observe: {arrival: {websocket: X}}", "act": "act: X", "act.submit": "act: {submit: X}",
		"warm_up.*": "warm_up: [X]", "act.coins": "act: {coins: X}",
		"act.make_block": "act: {make_block: X}", "facts": "facts: X",
		"wallet": "wallet: X",
	}
	objects := make(map[string]map[string]any)
	schemaObjects("", schema, objects)
	if d := cmp.Diff(slices.Sorted(maps.Keys(probes)), slices.Sorted(maps.Keys(objects))); d != "" {
		t.Fatalf("objects of the schema:\n%s", d)
	}
	known := regexp.MustCompile(`unknown key "zzzzzz" in .*\n.*\n.*\n  hint: valid keys: (.*)`)
	missing := regexp.MustCompile(`: .* has no "(\w+)"\n  1 \| (.*)\n +\| ( *)\^`)
	for at, probe := range probes {
		object := objects[at]
		properties, _ := object["properties"].(map[string]any)
		_, err := Parse("c.yaml", []byte(strings.Replace(probe, "X", "{zzzzzz: 1}", 1)))
		m := known.FindStringSubmatch(err.Error())
		if m == nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		keys := strings.Split(m[1], ", ")
		slices.Sort(keys)
		if d := cmp.Diff(keys, slices.Sorted(maps.Keys(properties))); d != "" {
			t.Errorf("keys of %q (-decoder +schema):\n%s", at, d)
		}
		src := strings.Replace(probe, "X", "{}", 1)
		_, err = Parse("c.yaml", []byte(src))
		var must, required []string
		for _, m := range missing.FindAllStringSubmatch(err.Error(), -1) {
			if m[2] == src && len(m[3]) == strings.Index(probe, "X") && (at == "") == strings.Contains(m[0], ": the chain has") {
				must = append(must, m[1])
			}
		}
		for _, key := range toList(object["required"]) {
			required = append(required, key.(string))
		}
		slices.Sort(must)
		slices.Sort(required)
		if d := cmp.Diff(must, required); d != "" {
			t.Errorf("required keys of %q (-decoder +schema):\n%s", at, d)
		}
	}
}

func toList(v any) []any {
	list, _ := v.([]any)
	return list
}

// TestChainSchemaWords: the words that a value can be are those of the decoder, and everything is explained.
func TestChainSchemaWords(t *testing.T) {
	var schema any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]string)
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(name, item)
			}
		case map[string]any:
			for _, word := range toList(v["enum"]) {
				got[name] = append(got[name], word.(string))
			}
			for key, part := range v {
				if key == "properties" {
					for name, p := range part.(map[string]any) {
						walk(name, p)
					}
				} else {
					walk(name, part)
				}
			}
			for name, p := range toMap(v["properties"]) {
				if p := toMap(p); p["description"] == nil && p["$ref"] == nil && name != "stdout" && name != "for" {
					t.Errorf("%s has no description", name)
				}
			}
		}
	}
	walk("", schema)
	want := map[string][]string{
		"keys": keyKinds, "for": repeats, "each": {"node", "node"}, "kind": {HTTPGet, JSONRPC1, JSONRPC2}, "tls": {"self-signed"}, "family": families,
		"votes": votes,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	Schema()[0] = 'x'
	if Schema()[0] != '{' {
		t.Error("a caller can change the schema")
	}
}

func toMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}
