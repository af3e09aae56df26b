// Package ci turns a report into what build servers read: JUnit XML and the step summary of GitHub Actions.
package ci
