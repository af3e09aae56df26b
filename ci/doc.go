// Package ci turns a report into what build servers read: JUnit XML (junit.go) and the step summary of GitHub Actions
// (summary.go). Pipelines that use it are beside it: action.yml for GitHub, gitlab.yml for GitLab. Its tests also check
// the pipelines, and which package of the project may import which (arrows_test.go).
package ci
