//go:build !linux

package agent

import "github.com/netsplit/netsplit/faults/shape"

func chownLike(string, string) error { return nil }

func watchBridge(Config, func(), func(error)) (stop func(), err error) {
	return nil, shape.ErrUnsupported
}
