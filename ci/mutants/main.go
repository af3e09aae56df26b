// Mutants plants bugs of real chains in our node, one at a time, and runs each on scenarios of the catalog, simulated, to
// show which invariants catch it:
//
//	go run ./ci/mutants                             # every mutant, three seeds a scenario, until one scenario catches it
//	go run ./ci/mutants -all                        # every scenario
//	go run ./ci/mutants -only 'fork|ledger' -seeds 10
//	go run ./ci/mutants -only status-frozen -scenarios quickstart,split-brain
//	go run ./ci/mutants -list
//	go run ./ci/mutants -check                      # only compile them
//
// The mutants are in table.go: replacements in the node's source, applied with `go build -overlay`, so that the node
// itself has no switches. A mutant is caught in a run when an invariant fails that names the right cause; it is caught
// for certain when that happens with every seed of at least one scenario. The exit code is 1 if fewer than 95 % of the
// mutants are, if one survives that the table does not say survives, or if the unchanged node fails a run.
//
// Binaries are kept in -dir, by their content, for the next time.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/testnets"
)

// needed is the least share of mutants that must be caught for certain.
const needed = 0.95

type options struct {
	dir       string
	only      string
	scenarios string
	seeds     int
	all       bool
	json      bool
	list      bool
	check     bool
	page      string
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", filepath.Join(os.TempDir(), "netsplit-mutants"), "where binaries are kept")
	flag.StringVar(&o.only, "only", "", "the mutants whose AREA/NAME matches this regular expression")
	flag.StringVar(&o.scenarios, "scenarios", "", "run these scenarios, names with commas, instead of those in the table")
	flag.IntVar(&o.seeds, "seeds", 3, "how many seeds to run each scenario with: 1, 2, ...")
	flag.BoolVar(&o.all, "all", false, "run all scenarios, also when one has caught the mutant with every seed")
	flag.BoolVar(&o.json, "json", false, "print the results as JSON")
	flag.BoolVar(&o.list, "list", false, "print the mutants and exit")
	flag.BoolVar(&o.check, "check", false, "compile the mutants and exit")
	flag.StringVar(&o.page, "page", "", "write the page about all invariants to this file and exit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := execute(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func execute(ctx context.Context, o options, out io.Writer) error {
	if o.page != "" {
		return writePage(o.page)
	}
	selected, err := choose(o.only)
	if err != nil {
		return err
	}
	if o.check && o.only == "" {
		selected = mutants
	}
	if o.list {
		for _, m := range selected {
			fmt.Fprintf(out, "%-15s %-36s %s (%s)\n", m.area, m.name, m.bug, m.like)
		}
		return nil
	}
	b, err := newBuilder(ctx, o.dir)
	if err != nil {
		return err
	}
	if o.check {
		return compile(ctx, b, selected)
	}
	catalog := splitList(o.scenarios)
	if catalog == nil {
		for _, e := range testnets.Catalog() {
			catalog = append(catalog, e.Name)
		}
		slices.SortStableFunc(catalog, func(a, b string) int { return cmp.Compare(late(a), late(b)) })
	}
	if err := baseline(ctx, b.base, catalog, o.seeds); err != nil {
		return err
	}
	results, err := runAll(ctx, b, selected, catalog, o)
	if err != nil {
		return err
	}
	return conclude(results, o, out)
}

// choose returns the mutants that match a regular expression; those that no scenario shows only if there is one.
func choose(only string) ([]mutant, error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	var selected []mutant
	for _, m := range mutants {
		if match.MatchString(m.area+"/"+m.name) && (m.unseen == "" || only != "") {
			selected = append(selected, m)
		}
	}
	if len(selected) == 0 {
		return nil, fmt.Errorf("no mutant matches %q", only)
	}
	return selected, nil
}

// late orders scenarios: the one in which most mutants show comes first, since the others are not run then.
func late(scenario string) int {
	if scenario == "split-brain" {
		return 0
	}
	return 1
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// compile builds the mutants and runs none. The error joins those of all that do not compile.
func compile(ctx context.Context, b *builder, selected []mutant) error {
	errs := make([]error, len(selected))
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for i := range selected {
		g.Go(func() error {
			_, errs[i] = b.build(ctx, &selected[i])
			return nil
		})
	}
	return errors.Join(g.Wait(), errors.Join(errs...))
}

// baseline runs the unchanged node: where that fails, a failure of a mutant shows nothing.
func baseline(ctx context.Context, binary string, catalog []string, seeds int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for _, s := range catalog {
		for seed := range seeds {
			g.Go(func() error {
				if o := runScenario(ctx, binary, s, seed+1); !o.green {
					return fmt.Errorf("the unchanged node does not pass %s with seed %d: %s", s, seed+1,
						strings.Join(append(o.failed, o.ended), ", "))
				}
				return nil
			})
		}
	}
	return g.Wait()
}

// result is what became of one mutant.
type result struct {
	Name      string   `json:"name"`
	Area      string   `json:"area"`
	Bug       string   `json:"bug"`
	By        []string `json:"by"` // the invariants that name the right cause
	Scenarios []hits   `json:"scenarios"`
	Caught    bool     `json:"caught"`             // with every seed of at least one scenario
	Survives  string   `json:"survives,omitempty"` // the reason that the table gives
	Error     string   `json:"error,omitempty"`    // why it was not built
}

// hits counts the runs of a scenario in which invariants failed.
type hits struct {
	Scenario string         `json:"scenario"`
	Runs     int            `json:"runs"`
	Caught   int            `json:"caught"` // by an invariant that names the right cause
	Failed   map[string]int `json:"failed"` // by invariant, whatever the cause
	Ended    map[string]int `json:"ended"`  // runs that ended early, by the reason
}

// runAll builds and runs the mutants, as many at a time as there are processors, and prints each when it and those before
// it are done.
func runAll(ctx context.Context, b *builder, selected []mutant, catalog []string, o options) ([]result, error) {
	results := make([]result, len(selected))
	done := make([]chan struct{}, len(selected))
	for i := range done {
		done[i] = make(chan struct{})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU() + 1) // and the one that prints
	g.Go(func() error {
		for i := range done {
			select {
			case <-done[i]:
			case <-ctx.Done():
				return ctx.Err()
			}
			if !o.json {
				results[i].print(os.Stdout)
			}
		}
		return nil
	})
	for i := range selected {
		m := &selected[i]
		g.Go(func() error {
			r := result{Name: m.name, Area: m.area, Bug: m.bug, By: m.by, Survives: cmp.Or(m.survives, m.unseen)}
			binary, err := b.build(ctx, m)
			in := m.in
			switch {
			case err != nil:
				r.Error, in = err.Error(), nil
			case o.scenarios != "" || in == nil:
				in = catalog
			}
			for _, s := range in {
				h := hits{Scenario: s, Failed: map[string]int{}, Ended: map[string]int{}}
				for seed := range o.seeds {
					h.add(runScenario(ctx, binary, s, seed+1), m.by)
				}
				r.Scenarios = append(r.Scenarios, h)
				r.Caught = r.Caught || h.Caught == h.Runs
				if r.Caught && !o.all {
					break
				}
			}
			results[i] = r
			close(done[i])
			return ctx.Err()
		})
	}
	return results, g.Wait()
}

// add counts one run.
func (h *hits) add(o outcome, by []string) {
	h.Runs++
	right := false
	for _, name := range o.failed {
		h.Failed[name]++
		right = right || slices.Contains(by, name)
	}
	if right {
		h.Caught++
	}
	if o.ended != "" {
		h.Ended[o.ended]++
	}
}

func (r *result) print(out io.Writer) {
	for i, h := range r.Scenarios {
		name := ""
		if i == 0 {
			name = r.Name
		}
		fmt.Fprintf(out, "%-36s %-15s %3d of %d  %s\n", name, h.Scenario, h.Caught, h.Runs, h.text(r.By))
	}
	if r.Error != "" {
		fmt.Fprintf(out, "%-36s %s\n", r.Name, r.Error)
	}
	if !r.Caught {
		fmt.Fprintf(out, "%-36s NOT CAUGHT: %s; right: %s\n", "", r.Bug, strings.Join(r.By, ", "))
	}
}

// text lists the invariants that failed, those that name the right cause first, others in brackets.
func (h *hits) text(by []string) string {
	var names []string
	for name := range h.Failed {
		names = append(names, name)
	}
	wrong := func(name string) int {
		if slices.Contains(by, name) {
			return 0
		}
		return 1
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(wrong(a), wrong(b)), cmp.Compare(h.Failed[b], h.Failed[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, name := range names {
		text := fmt.Sprintf("%s %d", name, h.Failed[name])
		if wrong(name) == 1 {
			text = "(" + text + ")"
		}
		parts = append(parts, text)
	}
	for _, what := range sortedKeys(h.Ended) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, h.Ended[what]))
	}
	return strings.Join(parts, ", ")
}

func sortedKeys(m map[string]int) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// conclude prints the share of mutants that are caught and returns an error if it is too low, or if one survives that the
// table does not list.
func conclude(results []result, o options, out io.Writer) error {
	caught := 0
	var unlisted, listed []string
	for _, r := range results {
		switch {
		case r.Caught:
			caught++
		case r.Survives != "":
			listed = append(listed, fmt.Sprintf("  %s: %s", r.Name, r.Survives))
		default:
			unlisted = append(unlisted, r.Name)
		}
	}
	share := float64(caught) / float64(len(results))
	if o.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(struct {
			Seeds   int      `json:"seeds"`
			Caught  int      `json:"caught"`
			Share   float64  `json:"share"`
			Mutants []result `json:"mutants"`
		}{o.seeds, caught, share, results}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "\n%d of %d mutants (%.1f %%) caught with each of %d seeds in at least one scenario, at least %.0f %% are needed\n",
			caught, len(results), 100*share, o.seeds, 100*needed)
		if len(listed) > 0 {
			fmt.Fprintf(out, "not caught, for the stated reason:\n%s\n", strings.Join(listed, "\n"))
		}
	}
	switch {
	case len(unlisted) > 0:
		return fmt.Errorf("not caught, and not on the list of those that survive: %s", strings.Join(unlisted, ", "))
	case share < needed:
		return fmt.Errorf("%.1f %% of the mutants are caught, at least %.0f %% are needed", 100*share, 100*needed)
	}
	return nil
}
