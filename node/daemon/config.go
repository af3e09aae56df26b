package daemon

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/behavior"
	"github.com/netsplit/netsplit/node/chain"
)

// maxConfigSize bounds the configuration file, in bytes; a genesis of a hundred thousand accounts fits.
const maxConfigSize = 64 << 20

// ConfigError is an error in a configuration file.
type ConfigError struct {
	File string
	// Line and Column count from 1; zero if the error has no position (a missing key).
	Line, Column int
	Err          error
}

// Error implements error: "FILE:LINE:COLUMN: what is wrong".
func (e *ConfigError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

// Unwrap implements errors.Unwrap.
func (e *ConfigError) Unwrap() error { return e.Err }

// LoadConfig reads, decodes and validates a configuration file. An error in the file is a *ConfigError; other errors come
// from reading it.
func LoadConfig(file string) (node.Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return node.Config{}, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigSize+1))
	if err != nil {
		return node.Config{}, fmt.Errorf("read configuration %s: %w", file, err)
	}
	if len(text) > maxConfigSize {
		return node.Config{}, &ConfigError{File: file, Err: fmt.Errorf("larger than %d bytes", maxConfigSize)}
	}
	cfg, offset, err := decodeConfig(text)
	if err != nil {
		line, column := position(text, offset)
		return node.Config{}, &ConfigError{File: file, Line: line, Column: column, Err: err}
	}
	if err := validate(&cfg); err != nil {
		return node.Config{}, &ConfigError{File: file, Err: err}
	}
	return cfg, nil
}

// decodeConfig decodes strictly. With an error it returns the offset of the byte concerned, -1 if that is unknown.
func decodeConfig(text []byte) (cfg node.Config, offset int64, err error) {
	if offset, err := checkKeys(text, &cfg); err != nil {
		return cfg, offset, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cfg); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			// wrong.Offset is that of the first byte after the value.
			return cfg, max(0, wrong.Offset-1), fmt.Errorf("%s: got %s, want %s", wrong.Field, wrong.Value, wrong.Type)
		}
		return cfg, -1, err
	}
	return cfg, 0, nil
}

// position turns a byte offset into line and column, both from 1, and -1 into zeros.
func position(text []byte, offset int64) (line, column int) {
	if offset < 0 {
		return 0, 0
	}
	before := text[:min(offset, int64(len(text)))]
	return 1 + bytes.Count(before, []byte{'\n'}), len(before) - bytes.LastIndexByte(before, '\n')
}

// checkKeys walks through JSON text and the type it is to be decoded into, and finds errors that encoding/json accepts or
// reports without a position: unknown keys, keys in another case, duplicate keys, text after the value, invalid hashes.
// It returns the offset of the first error.
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

// offset is the position of an error: the token at which it was found, or the end of a text that ends too early.
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
	// InputOffset is before the white space and the separator that precede a token.
	rest := w.text[min(before, int64(len(w.text))):]
	w.at = before + int64(len(rest)-len(bytes.TrimLeft(rest, " \t\r\n,:")))
	return t, err
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// value walks over one value. t is nil where the type has no such element: decoding fails there.
func (w *keyWalker) value(t reflect.Type, path string) error {
	start, err := w.token()
	if err != nil {
		return err
	}
	if text, ok := start.(string); ok && t != nil && reflect.PointerTo(t).Implements(textUnmarshaler) {
		// Decoding finds the same error, but not its position.
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

// validate checks every field of a configuration. Errors begin with the field's key and never show the node's key.
func validate(c *node.Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	self, err := newIdentity(c.Key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if err := validatePeers(c.Peers, self.id); err != nil {
		return err
	}
	if c.Adversary != nil {
		for i, k := range c.Adversary.Kinds {
			if !slices.Contains(behavior.Kinds(), k) {
				return fmt.Errorf("adversary.kinds[%d]: unknown kind %q", i, k)
			}
		}
	}
	return validateHost(c)
}

func validatePeers(peers []node.PeerAddr, self chain.PeerID) error {
	seen := make(map[chain.PeerID]bool, len(peers))
	for i, p := range peers {
		if _, err := libp2pID(p.ID); err != nil || p.ID == (chain.PeerID{}) {
			return fmt.Errorf("peers[%d].id: %s is not a node's identity", i, p.ID)
		}
		if p.ID == self {
			return fmt.Errorf("peers[%d].id: %s is this node itself", i, p.ID)
		}
		if seen[p.ID] {
			return fmt.Errorf("peers[%d].id: %s is listed twice", i, p.ID)
		}
		seen[p.ID] = true
		if err := checkDialable(p.Addr); err != nil {
			return fmt.Errorf("peers[%d].addr: %w", i, err)
		}
	}
	return nil
}

// validateHost checks the fields that only the daemon uses.
func validateHost(c *node.Config) error {
	if _, _, err := splitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if c.Advertise != "" {
		if err := checkDialable(c.Advertise); err != nil {
			return fmt.Errorf("advertise: %w", err)
		}
	}
	if _, _, err := splitHostPort(c.API); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	if c.Data == "" {
		return errors.New("data: the directory of the block store is missing")
	}
	return nil
}

// splitHostPort splits HOST:PORT. Port 0 lets the kernel choose; an empty host means all addresses.
func splitHostPort(addr string) (host string, port uint64, err error) {
	if addr == "" {
		return "", 0, errors.New("host:port is missing")
	}
	host, number, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not host:port: %w", addr, err)
	}
	if port, err = strconv.ParseUint(number, 10, 16); err != nil {
		return "", 0, fmt.Errorf("%q: port is not a number in 0..65535", addr)
	}
	return host, port, nil
}

// checkDialable checks HOST:PORT of another node: both are required.
func checkDialable(addr string) error {
	host, port, err := splitHostPort(addr)
	if err == nil && (host == "" || port == 0) {
		err = fmt.Errorf("%q: host and port are needed", addr)
	}
	return err
}
