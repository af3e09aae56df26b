// Package report is what a run comes down to: one Report, written as report.json and rendered as tables. It is made from
// a trace and the verdicts on it, by Make, and holds no logic of judging.
package report
