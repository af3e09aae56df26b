package nft

import "errors"

// ErrOwned is wrapped by Open's error when a table of the name exists already: another live process owns it.
var ErrOwned = errors.New("the table exists and belongs to another process")
