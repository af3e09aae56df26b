package main

import (
	"slices"
	"testing"
)

func TestFunctions(t *testing.T) {
	got := functions([]byte("package p\n\nfunc FuzzOne(f *testing.F) {\n}\n\n// func FuzzComment(f *testing.F)\n" +
		"func helper(f *testing.F) {}\nfunc FuzzNot(f int) {}\nfunc FuzzTwo(ff *testing.F) {}\n"))
	if want := []string{"FuzzOne", "FuzzTwo"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestFind(t *testing.T) {
	targets, err := find(t.Context())
	if err != nil || len(targets) != 0 {
		t.Errorf("targets of a package without any: %v, %v", targets, err)
	}
}
