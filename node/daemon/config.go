package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/netsplit/netsplit/node"
)

// maxConfigSize bounds the configuration file, in bytes; a genesis of a hundred thousand accounts fits.
const maxConfigSize = 64 << 20

// ConfigError is a mistake in a configuration file.
type ConfigError struct {
	File string
	// Line and Column count from 1; zero where the mistake has no place (a missing key).
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

// LoadConfig reads, decodes and validates a configuration file. Mistakes in it are a *ConfigError; other errors are of
// reading the file.
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

// decodeConfig decodes strictly; with an error comes the offset of the byte that it concerns, -1 if that is not known.
func decodeConfig(text []byte) (cfg node.Config, offset int64, err error) {
	if offset, err := checkKeys(text, &cfg); err != nil {
		return cfg, offset, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cfg); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			// Offset is that of the first byte after the value.
			return cfg, max(0, wrong.Offset-1), fmt.Errorf("%s: %s where %s is wanted", wrong.Field, wrong.Value, wrong.Type)
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
