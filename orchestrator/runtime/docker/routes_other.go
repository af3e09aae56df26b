//go:build !linux

package docker

import "net/netip"

// hostPrefixes knows nothing elsewhere: engines that are not on a Linux host are refused before it matters.
func hostPrefixes() ([]netip.Prefix, error) { return nil, nil }
