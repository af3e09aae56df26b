package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/netsplit/netsplit/orchestrator/invariant"
)

//go:generate go run . -page ../../docs/invariants.md

// pageHead begins docs/invariants.md.
const pageHead = `# Invariants

<!-- Written by ` + "`go generate ./ci/mutants`" + ` from the definitions in orchestrator/invariant and the mutants in ci/mutants. -->

What each invariant judges, by which statistic, and when it does not judge. ` + "`expect:`" + ` of a scenario lists those that must hold, with
parameters; the ones marked *always* are expected of every run, whether the scenario lists them or not. The words are defined in the [glossary](glossary.md).

| verdict | meaning | exit code |
|---|---|---|
| PASS | judged, and held | 0 |
| FAIL | violated: safety and liveness | 1 |
| FAIL | violated: infrastructure, such as a fault that did not do what it should | 3 |
| UNKNOWN | it could not be judged | 4, 0 with ` + "`--allow-unknown`" + ` |
| VACUOUS | nothing in the run could have violated it | 0, 1 with ` + "`--strict`" + ` |
| NOT APPLICABLE | this chain cannot show it, in any run | 0 |

*Mutants* are bugs of real chains that ` + "`go run ./ci/mutants`" + ` plants in our node, one at a time. Listed are those that
an invariant is to catch. The command fails unless an invariant that names the right cause catches each with every seed of at
least one scenario.

*False alarms.* Most invariants are certain: no chance can make an honest run violate them. Three are judged by what chance
allows. All of their bounds together, a simulated run of honest nodes fails by chance with a probability of at most 1.5e-4:
chain_growth 1e-4, split over all its windows; inclusion 1e-5, over all senders; fault_accuracy 1e-6 for each of the three
bounds of a delay that varies, of which a run with four such faults has about a dozen. The tails are discrete and windows
overlap, so that fewer do. ` + "`go run ./ci/honest -runs 2000`" + ` then passes in at least three of four cases as far as chance is concerned.
Where a scenario's own bounds are shorter than blocks take by chance, such as ` + "`convergence: {within: 5s}`" + ` with blocks every two
seconds, their rate is the scenario's: the next block takes longer than k block intervals with a probability of e^-k.
`

// writePage writes docs/invariants.md.
func writePage(file string) error { return os.WriteFile(file, []byte(page()), 0o600) }

func page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	for _, d := range invariant.Definitions() {
		always := ""
		if d.Always {
			always = ", always"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s (%s%s).\n\n%s\n", d.Name, d.Title, d.Class, always, paragraphs(d.Doc))
		if len(d.Params) > 0 {
			b.WriteString("\n| parameter | type | default | meaning |\n|---|---|---|---|\n")
			for _, p := range d.Params {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, p.Type, p.Default, p.Doc)
			}
		}
		if names := namedBy(d.Name); len(names) > 0 {
			fmt.Fprintf(&b, "\nMutants: %s.\n", strings.Join(names, ", "))
		}
	}
	b.WriteString("\n## Mutants that no invariant catches\n\n")
	for _, m := range mutants {
		if m.survives != "" {
			fmt.Fprintf(&b, "- %s (%s): %s\n", m.name, m.bug, m.survives)
		}
	}
	b.WriteString("\n## Bugs that no scenario shows\n\nThey are in the table too, are run by their names alone, and count for nothing. " +
		"Either nobody outside the node sees a difference, or\nno scenario provokes one, or netsplit does not read what is wrong.\n\n")
	for _, m := range mutants {
		if m.unseen != "" {
			fmt.Fprintf(&b, "- %s (%s): %s\n", m.name, m.bug, m.unseen)
		}
	}
	return b.String()
}

// paragraphs begins a paragraph with each line that says when there is another verdict.
func paragraphs(doc string) string {
	var out []string
	for line := range strings.SplitSeq(strings.TrimSpace(doc), "\n") {
		for _, v := range []invariant.Verdict{invariant.Unknown, invariant.Vacuous, invariant.NotApplicable} {
			if strings.HasPrefix(line, string(v)) {
				out = append(out, "")
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// namedBy lists the mutants of which an invariant names the cause.
func namedBy(invariant string) (names []string) {
	for _, m := range mutants {
		if m.survives == "" && m.unseen == "" && slices.Contains(m.by, invariant) {
			names = append(names, m.name)
		}
	}
	return names
}
