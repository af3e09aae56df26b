package ci

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
)

// The JUnit XML that build servers read: a suite for the run, a test case for each invariant.
type (
	junitSuite struct {
		XMLName   xml.Name    `xml:"testsuite"`
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Seconds   float64     `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitProblem `xml:"failure,omitempty"`
		Error   *junitProblem `xml:"error,omitempty"`
		Skipped *junitProblem `xml:"skipped,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes a report as JUnit XML. A FAIL is a failure; UNKNOWN and VACUOUS are skipped, or failures when strict. A
// run that its infrastructure ended has an error of its own.
func JUnit(w io.Writer, r *report.Report, strict bool) error {
	suite := junitSuite{
		Name: "netsplit." + r.Run.Scenario, Seconds: r.Run.Duration.Seconds(), Timestamp: r.Run.Started.Format("2006-01-02T15:04:05"),
	}
	for _, x := range r.Results {
		c := junitCase{Class: suite.Name, Name: x.Invariant, Out: fmt.Sprintf("%s, bound %s", x.Figure, x.Bound)}
		problem := &junitProblem{Message: fmt.Sprintf("%s: %s", x.Verdict, x.Reason), Text: evidence(x)}
		switch {
		case x.Verdict == invariant.Pass:
		case x.Verdict == invariant.Fail || strict:
			c.Failure = problem
			suite.Failures++
		default:
			c.Skipped = problem
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, c)
	}
	if r.Ended() != "" {
		suite.Errors++
		suite.Cases = append(suite.Cases, junitCase{Class: suite.Name, Name: "run", Error: &junitProblem{Message: r.Ended()}})
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suite); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// evidence puts the violations of a result into lines.
func evidence(x invariant.Result) string {
	var b strings.Builder
	for _, e := range x.Evidence {
		fmt.Fprintf(&b, "at %s: %s; nodes %v; blocks %v; during %v\n", e.At, e.Text, e.Nodes, e.Blocks, e.Windows)
	}
	return b.String()
}
