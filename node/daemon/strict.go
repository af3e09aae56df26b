package daemon

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// checkKeys walks through JSON text next to the type that it is to be decoded into and finds what encoding/json lets
// pass or cannot place: unknown keys, keys in another case, keys given twice, text after the value, and hashes that are
// none. It returns the offset of the first mistake.
func checkKeys(text []byte, into any) (int64, error) {
	w := keyWalker{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	w.dec.UseNumber()
	if err := w.value(reflect.TypeOf(into).Elem(), ""); err != nil {
		return w.offset(err), err
	}
	end := w.dec.InputOffset()
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		rest := text[end:]
		return end + int64(len(rest)-len(bytes.TrimLeft(rest, " \t\r\n"))), errors.New("text after the end of the configuration")
	}
	return 0, nil
}

type keyWalker struct {
	text []byte
	dec  *json.Decoder
	at   int64 // start of the last token
}

// offset is the place of a mistake: the token at which it was found, or the end of a text that ends too early.
func (w *keyWalker) offset(err error) int64 {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return int64(len(w.text))
	}
	return w.at
}

func (w *keyWalker) token() (json.Token, error) {
	before := w.dec.InputOffset()
	t, err := w.dec.Token()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("text ends too early: %w", io.ErrUnexpectedEOF)
	}
	// InputOffset stops before the white space and the separator that come before a token.
	rest := w.text[min(before, int64(len(w.text))):]
	w.at = before + int64(len(rest)-len(bytes.TrimLeft(rest, " \t\r\n,:")))
	return t, err
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// value walks over one value. t is nil where the type does not say what belongs there: decoding will complain.
func (w *keyWalker) value(t reflect.Type, path string) error {
	start, err := w.token()
	if err != nil {
		return err
	}
	if text, ok := start.(string); ok && t != nil && reflect.PointerTo(t).Implements(textUnmarshaler) {
		// Decoding would find the same mistake, but not say where.
		if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	switch start {
	case json.Delim('{'):
		return w.object(t, path)
	case json.Delim('['):
		var elem reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			elem = t.Elem()
		}
		for i := 0; w.dec.More(); i++ {
			if err := w.value(elem, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		_, err := w.token()
		return err
	}
	return nil
}

func (w *keyWalker) object(t reflect.Type, path string) error {
	var fields map[string]reflect.Type
	if t != nil && t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textUnmarshaler) {
		fields = jsonFields(t)
	}
	seen := make(map[string]bool)
	for w.dec.More() {
		k, err := w.token()
		if err != nil {
			return err
		}
		key, _ := k.(string)
		name := strings.TrimPrefix(path+"."+key, ".")
		if fields != nil && fields[key] == nil {
			return fmt.Errorf("unknown key %q", name)
		}
		if seen[key] {
			return fmt.Errorf("key %q is given twice", name)
		}
		seen[key] = true
		if err := w.value(fields[key], name); err != nil {
			return err
		}
	}
	_, err := w.token()
	return err
}

// jsonFields returns the fields of a struct by their JSON names.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = t.Field(i).Type
		}
	}
	return fields
}
