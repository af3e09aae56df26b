// Package report is the report of a run: one Report, made by Make from a trace and the verdicts on it. It judges nothing
// itself.
//
// report.go has the model, which is also report.json; render.go draws it for a terminal, with a file for each group of
// tables (nodes.go, faults.go). A column is a header and a cell there; its figure is a field of invariant.Summary
// (invariant/summary.go), computed from replay.State. table.go fits tables and text to the output's width. JUnit XML and
// Markdown are package ci's.
package report
