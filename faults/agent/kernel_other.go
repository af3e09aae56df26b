//go:build !linux

package agent

import "github.com/netsplit/netsplit/faults/shape"

func openEngine(Config, *journal) (engine, error) { return nil, shape.ErrUnsupported }

func newProber() prober { return nil }

func watchBridge(Config, func(), func(error)) (func(), error) { return nil, shape.ErrUnsupported }

func chownLike(string, string) error { return nil }
