package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/netsplit/netsplit/node"
	"github.com/netsplit/netsplit/node/chain"
	"github.com/netsplit/netsplit/orchestrator/runtime"
)

// configPath returns the file that the arguments of `netsplit node` name.
func configPath(args []string) (string, error) {
	if len(args) == 0 || args[0] != "node" {
		return "", fmt.Errorf("arguments %q: the simulator runs only the netsplit node", args)
	}
	for i, a := range args[1:] {
		name, value, inline := strings.Cut(a, "=")
		if name != "--config" && name != "-config" {
			continue
		}
		if inline {
			return value, nil
		}
		if i+2 < len(args) {
			return args[i+2], nil
		}
	}
	return "", fmt.Errorf("arguments %q: no --config FILE", args)
}

// readConfig decodes a node's configuration from its files, as strictly as the node itself does.
func (r *Runtime) readConfig(l runtime.Launch) (node.Config, error) {
	path, err := configPath(l.Args)
	if err != nil {
		return node.Config{}, err
	}
	text, ok := l.Files[path]
	if !ok {
		return node.Config{}, fmt.Errorf("read %s: no such file", path)
	}
	cfg, err := r.genesis.decode(text)
	if err != nil {
		return node.Config{}, fmt.Errorf("decode %s: %w", path, err)
	}
	return cfg, nil
}

// internedGenesis is the genesis that was decoded last: all nodes of a testnet have the same, and share it.
type internedGenesis struct {
	text  []byte
	value chain.Genesis
}

// decode decodes a configuration strictly.
func (g *internedGenesis) decode(text []byte) (node.Config, error) {
	// The outer Genesis shadows that of Config and keeps the text, which tells whether it is known already.
	var raw struct {
		Genesis json.RawMessage `json:"genesis"`
		node.Config
	}
	if err := strict(text, &raw); err != nil {
		return node.Config{}, err
	}
	if !bytes.Equal(raw.Genesis, g.text) || g.text == nil {
		var value chain.Genesis
		if err := strict(raw.Genesis, &value); err != nil {
			return node.Config{}, fmt.Errorf("genesis: %w", err)
		}
		g.text, g.value = raw.Genesis, value
	}
	cfg := raw.Config
	cfg.Genesis = g.value
	return cfg, nil
}

// strict decodes exactly one JSON value without unknown keys.
func strict(text []byte, into any) error {
	if len(text) == 0 {
		return errors.New("missing")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the end of the object")
	}
	return nil
}
