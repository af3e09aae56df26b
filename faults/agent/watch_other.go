//go:build !linux

package agent

import "github.com/netsplit/netsplit/faults/shape"

func inNetns(string, func() error) error { return shape.ErrUnsupported }

func giveTo(string, string) error { return nil }

func watchBridge(Config, func(), func(error)) (stop func(), err error) {
	return nil, shape.ErrUnsupported
}
