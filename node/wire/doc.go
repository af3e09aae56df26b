// Package wire defines the messages that nodes exchange and their canonical encoding: big-endian, of fixed field widths,
// with every length checked before memory is allocated for it. Decode accepts exactly what Encode produces.
//
// message.go has the types and limits, encode.go and decode.go the encoding, check.go the limits of messages that are not
// encoded. A new message needs a Type and an entry in each of the four.
package wire
