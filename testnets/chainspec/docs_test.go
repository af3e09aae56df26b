package chainspec

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netsplit/netsplit/ci/must"
)

// ownNodeExample is the file that the page's blocks of YAML make up.
const ownNodeExample = "../../docs/examples/neo-go.yaml"

func readText(t *testing.T, file string) string {
	t.Helper()
	b := must.Get(os.ReadFile(file))(t)
	return string(b)
}

// fenced returns a page's blocks of one language.
func fenced(page, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(page, -1) {
		out = append(out, m[1])
	}
	return out
}

// TestDocs_Example: the blocks of the page, in turn, are the example, which is a chain file of the size that is promised.
func TestDocs_Example(t *testing.T) {
	page, example := readText(t, ownNodePage), readText(t, ownNodeExample)
	if d := cmp.Diff(example, strings.Join(fenced(page, "yaml"), "\n")); d != "" {
		t.Errorf("-%s +blocks of %s\n%s", ownNodeExample, ownNodePage, d)
	}
	c := must.Get(Parse(ownNodeExample, []byte(example)))(t)
	if n := strings.Count(example, "\n"); n > 60 {
		t.Errorf("the example has %d lines", n)
	}
	if _, err := os.Stat("../chains/" + c.Name + ".yaml"); err == nil {
		t.Errorf("the example, %s, is in the catalog", c.Name)
	}
	commands := strings.Join(fenced(page, "sh"), "")
	for _, want := range []string{
		"netsplit chain init " + c.Name + " --image go:" + c.Image.Go + "\n", "netsplit chain check ./" + c.Name + ".yaml\n",
		"netsplit run quickstart --chain ./" + c.Name + ".yaml\n", "netsplit run split-brain --chain ./" + c.Name + ".yaml\n",
	} {
		if !strings.Contains(commands, want) {
			t.Errorf("the page has no command %q", want)
		}
	}
}

// TestDocs_TemplateNames: each name and each function of templates stands in the page's table.
func TestDocs_TemplateNames(t *testing.T) {
	page := readText(t, ownNodePage)
	_, names, found := strings.Cut(page, "\n## What templates know\n")
	if !found {
		t.Fatal("the page has no table of names")
	}
	for function := range textFuncs {
		if !hasWord(names, function) {
			t.Errorf("function %s is not explained", function)
		}
	}
	for _, part := range keyParts {
		if !hasWord(names, part) {
			t.Errorf("a key's .%s is not explained", part)
		}
	}
	c := parseExample(t)
	for name, s := range c.roots(len(c.Prepare)) {
		if !hasWord(names, name) {
			t.Errorf(".%s is not explained", name)
		}
		for field := range s.fields {
			if name == "Node" && !hasWord(names, field) {
				t.Errorf(".Node.%s is not explained", field)
			}
		}
	}
	if hasWord(names, "nonsense") || hasWord("`act.submitted`", "submit") {
		t.Error("everything is found")
	}
}

// hasWord reports whether a word stands by itself in a text's code spans.
func hasWord(text, word string) bool {
	for _, code := range regexp.MustCompile("`[^`\n]+`").FindAllString(text, -1) {
		if regexp.MustCompile(`(^|[^A-Za-z_])` + regexp.QuoteMeta(word) + `([^A-Za-z_]|$)`).MatchString(code) {
			return true
		}
	}
	return false
}
