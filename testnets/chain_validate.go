package testnets

// validate checks what no single value can show.
func (c *Chain) validate(from *origin) error { return nil }
