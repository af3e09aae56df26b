// Package shapetest is what tests of the engines and of the agent share. It is for tests only.
package shapetest
