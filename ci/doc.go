// Package ci turns a report into what build servers read: JUnit XML, and the step summary of GitHub Actions. Ready
// pipelines that use it lie beside it: action.yml for GitHub, gitlab.yml for GitLab.
package ci
