package cli

import (
	"errors"
	"fmt"
	"os"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/ci"
	"github.com/netsplit/netsplit/orchestrator/report"
)

// outputs are the files that build servers read. They are opened before a run, so that a wrong path is found before
// anything starts, and so that what an earlier run left is not taken for this one's.
type outputs struct {
	strict         bool
	junit, summary *os.File         // nil where not asked for
	reports        []*report.Report // for junit, which is one document for all
}

// openOutputs opens the files that the flags name.
func openOutputs(c *ucli.Context) (*outputs, error) {
	o := &outputs{strict: c.Bool(flagStrict)}
	var err error
	if name := c.String(flagJUnit); name != "" {
		if o.junit, err = os.Create(name); err != nil {
			return nil, usageError(fmt.Errorf("--junit: %w", err))
		}
	}
	if name := c.String(flagSummary); name != "" {
		if o.summary, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
			return nil, errors.Join(usageError(fmt.Errorf("--summary: %w", err)), o.close())
		}
	}
	return o, nil
}

// write adds a report to the files.
func (o *outputs) write(r *report.Report) error {
	o.reports = append(o.reports, r)
	if o.summary == nil {
		return nil
	}
	return ci.Summary(o.summary, r)
}

// close completes the files. Without a report the one for JUnit stays empty, which build servers take for a failure.
func (o *outputs) close() error {
	var errs []error
	if o.junit != nil && len(o.reports) > 0 {
		errs = append(errs, ci.JUnit(o.junit, o.strict, o.reports...))
	}
	for _, f := range []*os.File{o.junit, o.summary} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
