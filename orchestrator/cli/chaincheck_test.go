package cli

import (
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/chain/external"
	"github.com/netsplit/netsplit/orchestrator/invariant"
	"github.com/netsplit/netsplit/orchestrator/report"
)

func TestChainChecked_Show(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	bad := &external.Problem{
		Text: "all of it", Node: "node-1", At: "c.yaml:7:3", JQ: ".x", Got: "gives null", Reply: "{}", Hint: "look there",
	}
	out := &chainChecked{
		Chain: "c", File: "c.yaml", Arg: "./c.yaml",
		Stages: []checkStage{
			{Nodes: 1, Findings: []external.Finding{
				{Name: "observe.height", Outcome: external.Works, Value: long},
				{Name: "observe.head", Outcome: external.Failed, Problem: bad},
				{Name: "both", Outcome: external.Skipped, Note: "needs two nodes"},
			}},
			{Nodes: 2, Died: "node node-2 exited by itself: exit 1", Node: "node-2", Start: "c.yaml:4:1", Printed: []string{long}, Findings: []external.Finding{
				{Name: "observe.height", Outcome: external.Absent, Note: "costs much"},
				{Name: "observe.head", Outcome: external.Failed, Problem: &external.Problem{Text: "no answer", At: "c.yaml:9:1"}},
				{Name: "both", Outcome: external.Works, Value: "yes"},
			}},
		},
		Invariants: []judgeable{{"agreement", nil}, {"validity", []invariant.Observation{invariant.ObserveEncoding}}},
	}
	var text strings.Builder
	must.Do(t, out.show(output{w: &text, style: report.Style{Width: 120}}))
	for _, want := range []string{
		" observe.height  0123456789012345678901234567890123456789"[:len(" observe.height  ")+maxCell-1] + "…  -",
		"not in the file  what follows\n", " observe.height   costs much\n", " observe.head    FAILED (1)", "FAILED (2)\n", " both ", "yes\n",
		"\n(1) observe.head, one node\n    at     c.yaml:7:3\n    jq     .x\n    reply  {} of node node-1\n    it     gives null\n    hint   look there\n",
		"\n(2) observe.head, two nodes\n    no answer\n    at     c.yaml:9:1\n",
		"\ntwo nodes: node node-2 exited by itself: exit 1\n    at     c.yaml:4:1\n", "    | " + long[:maxPrinted-1] + "…\n",
		" agreement  yes\n", " validity   no      the chain file does not show the encoding of blocks\n", "\nchain c: not everything in its chain file works\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
	if strings.Contains(text.String(), "needs two nodes") {
		t.Errorf("says that two nodes are needed, which there were\n%s", &text)
	}
}
