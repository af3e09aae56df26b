package ci

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
)

// The JUnit XML that build servers read: a suite for each run, a test case for each invariant.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		XMLName   xml.Name    `xml:"testsuite"`
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Seconds   float64     `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr,omitempty"`
		Cases     []junitCase `xml:"testcase"`
		Out       string      `xml:"system-out,omitempty"`
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

// JUnit writes reports as JUnit XML, in which something fails exactly when the run's exit code is not 0: a FAIL is a
// failure, or an error when it is the testnet's; UNKNOWN is an error unless the policy allows it; VACUOUS is skipped unless
// the policy makes it fail; NOT APPLICABLE is skipped. A run that was stopped has an error of its own, and one whose history
// is incomplete too unless UNKNOWN is allowed. The suites of more than one report also name their chains.
func JUnit(w io.Writer, policy invariant.Policy, reports ...*report.Report) error {
	var root any
	if len(reports) == 1 {
		root = suiteOf(reports[0], "netsplit."+reports[0].Run.Scenario, policy)
	} else {
		var all junitSuites
		for _, r := range reports {
			all.Suites = append(all.Suites, suiteOf(r, "netsplit."+r.Run.Scenario+"."+r.Run.Chain.Name, policy))
		}
		root = all
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(root); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	return nil
}

// suiteOf makes a suite of a report.
func suiteOf(r *report.Report, name string, policy invariant.Policy) junitSuite {
	suite := junitSuite{Name: name, Seconds: r.Run.Duration.Seconds()}
	if !r.Run.Started.IsZero() {
		suite.Timestamp = r.Run.Started.UTC().Format("2006-01-02T15:04:05")
	}
	if r.Reproduce != "" {
		suite.Out = "reproduce: " + r.Reproduce
	}
	for i := range r.Results {
		suite.add(&r.Results[i], policy)
	}
	suite.addEnd(r, policy)
	suite.Tests = len(suite.Cases)
	return suite
}

// add adds the test case of one invariant.
func (s *junitSuite) add(x *invariant.Result, policy invariant.Policy) {
	c := junitCase{Class: s.Name, Name: x.Invariant, Out: fmt.Sprintf("measured %s, bound %s", x.Figure, x.Bound)}
	problem := &junitProblem{Message: fmt.Sprintf("%s: %s", x.Verdict, x.Reason), Text: strings.Join(evidence(x), "\n")}
	switch {
	case x.Verdict == invariant.Pass:
	case !x.Fails(policy):
		c.Skipped = problem
		s.Skipped++
	case x.Verdict == invariant.Unknown, x.Class == invariant.Infrastructure && x.Verdict == invariant.Fail:
		c.Error = problem
		s.Errors++
	default:
		c.Failure = problem
		s.Failures++
	}
	s.Cases = append(s.Cases, c)
}

// addEnd adds a test case about the run itself when it ended early.
func (s *junitSuite) addEnd(r *report.Report, policy invariant.Policy) {
	ended := r.Ended()
	if ended == "" {
		return
	}
	c := junitCase{Class: s.Name, Name: "run"}
	if r.Interrupted || r.Error != "" || !policy.AllowUnknown {
		c.Error = &junitProblem{Message: ended}
		s.Errors++
	} else {
		c.Skipped = &junitProblem{Message: ended}
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// evidence puts the violations of a result into lines, one each.
func evidence(x *invariant.Result) []string {
	var lines []string
	for _, e := range x.Evidence {
		line := fmt.Sprintf("at %s: %s", e.At, e.Text)
		if len(e.Nodes) > 0 {
			line += "; nodes " + join(e.Nodes)
		}
		if len(e.Blocks) > 0 {
			line += "; blocks " + join(e.Blocks)
		}
		if len(e.Windows) > 0 {
			line += "; during " + join(e.Windows)
		}
		lines = append(lines, strings.ReplaceAll(line, "\n", " "))
	}
	return lines
}

func join[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, x := range list {
		words[i] = string(x)
	}
	return strings.Join(words, ", ")
}
