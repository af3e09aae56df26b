package testnets

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/itchyny/gojq"
	"go.uber.org/goleak"
)

// decoded is JSON as replies are decoded.
func decoded(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func queried(t *testing.T, source string, in any) (any, error) {
	t.Helper()
	q, mistake := compileQuery(nil, Pos{}, source)
	if mistake != nil {
		return nil, mistake
	}
	return q.Run(t.Context(), in)
}

// TestQueriesAreBounded: neither a chain file nor a reply can make a query take the machine's memory, or much longer than
// it may. Each of these took seconds to hours, or gigabytes.
func TestQueriesAreBounded(t *testing.T) {
	list := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	const much, index = "takes more than 268435456 bytes of memory", "an index of a list may be 1048575 at most"
	const digits = "a number has more than 1000 digits"
	for source, x := range map[string]struct{ in, want string }{
		// The reply chooses.
		`"ab" * .n`:                   {`{"n": 1000000000}`, much},
		`.n * "ab"`:                   {`{"n": 1e9}`, much},
		`.s *= .n`:                    {`{"s": "ab", "n": 1000000000}`, much},
		`.[.i] = 1`:                   {`{"i": 500000000}`, index},
		`.a[.i] = 1`:                  {`{"a": [], "i": 500000000}`, index},
		`.i as $i | .a[$i] |= 1`:      {`{"a": [], "i": 500000000}`, index},
		`.i as $i | .a | .[$i] += 1`:  {`{"a": [], "i": 500000000}`, index},
		`.p as $p | setpath($p; 1)`:   {`{"p": ["a", 500000000]}`, index},
		`.p as $p | getpath($p) = 1`:  {`{"p": ["a", 500000000]}`, index},
		`.i as $i | .a | nth($i) = 1`: {`{"a": [], "i": 500000000}`, index},
		`.i as $i | pick(.a[$i])`:     {`{"a": [], "i": 500000000}`, index},
		`fromstream(.[])`:             {`[[[500000000], 1], [[500000000]]]`, index},
		`[range(.n) | "a"] as $p | null | setpath($p; 1)`: {`{"n": 100000}`, "a path may have 1000 parts at most"},
		`reduce range(.n) as $i ("x"; . + .)`:             {`{"n": 40}`, much},
		`reduce range(.n) as $i ([1]; . + .)`:             {`{"n": 40}`, much},
		`reduce range(.n) as $i ([1]; . += .) | length`:   {`{"n": 40}`, much},
		`reduce range(.n) as $i (3; . * .)`:               {`{"n": 40}`, digits},
		`[range(.n) as $i | "x" * 1000000] | length`:      {`{"n": 10000}`, much},
		`.s as $s | .a | join($s)`:                        {`{"a": ` + list(5000, `""`) + `, "s": "` + strings.Repeat("x", 100_000) + `"}`, much},
		`transpose`:                                       {`[` + list(5000, "1") + strings.Repeat(",[]", 5000) + `]`, much},
		`.a - .a`:                                         {`{"a": ` + list(20_000, "1") + `}`, much},
		`.a |= . - .`:                                     {`{"a": ` + list(20_000, "1") + `}`, much},
		`.a as $a | .b | contains($a)`:                    {`{"a": ` + list(200_000, "1") + `, "b": ` + list(200_000, "2") + `}`, much},
		`.a as $a | .b | indices($a)`:                     {`{"a": ` + list(200_000, "1") + `, "b": ` + list(200_000, "1") + `}`, much},
		`.a as $a | .b | .[$a]`:                           {`{"a": [1], "b": [1]}`, "use indices"},
		`gsub("x"; "y")`:                                  {`"` + strings.Repeat("x", 1<<20) + `"`, "in a text of at most 16384 bytes"},
		`[match(""; "g")] | length`:                       {`"` + strings.Repeat("x", 1<<20) + `"`, "in a text of at most 16384 bytes"},
		`.n + 1`:                                          {`{"n": ` + strings.Repeat("9", 1<<20) + `}`, digits},
		`tonumber`:                                        {`"` + strings.Repeat("9", 1<<20) + `"`, digits},
		`fromjson`:                                        {`"[` + strings.Repeat("9", 1<<20) + `]"`, digits},
		`add`:                                             {list(10, `"a"`), ""},
		// The chain file chooses.
		`.[500000000] = 1`:                                           {`[]`, index},
		strings.Repeat(`.+.|`, 60) + `length`:                        {`"ab"`, much},
		`reduce range(60) as $i (1; [., .])`:                         {`null`, "a value has more than 67108864 bytes"},
		`reduce range(60) as $i (1; {a: ., b: .}) | tojson | length`: {`null`, "a value has more than 67108864 bytes"},
		`reduce range(60) as $i (1; [., .]) | "\(.)" | length`:       {`null`, "a value has more than 67108864 bytes"},
		`reduce range(60) as $i (1; [., .]) | @json | length`:        {`null`, "a value has more than 67108864 bytes"},
		`reduce range(60) as $i (1; [., .]) | flatten | length`:      {`null`, "a value has more than 67108864 bytes"},
		`reduce range(60) as $i (1; [., .]) | error`:                 {`null`, "a value has more than 67108864 bytes"},
		`reduce range(20000) as $i (1; [.])`:                         {`null`, "a value is more than 10000 lists and objects deep"},
		`("x" * 1000000) as $x | [range(1000) | $x] | add | length`:  {`null`, much},
		`("x" * 1000000) as $x | add(range(1000) | $x) | length`:     {`null`, much},
		`try ("ab" * 1e9) catch ("ab" * 1e9)`:                        {`null`, much},
		// There is no way around.
		`. as $__run | "ab" * 1e9`:                      {`null`, much},
		`$__run`:                                        {`null`, "is no JSON"},
		`_multiply("ab"; 1e9)`:                          {`null`, "names that begin with _ are the library's own"},
		`def _add(a; b): 1; 2`:                          {`null`, "_add cannot be defined here"},
		`def join(x): 1; 2`:                             {`null`, "join cannot be defined here"},
		`def f(tojson): 1; f(2)`:                        {`null`, "tojson cannot be defined here"},
		`def f: "ab" * 1e9; [f, f]`:                     {`null`, much},
		`{("a" * 1e9): 1}`:                              {`null`, much},
		`{} | ."\("a" * 1e9)"`:                          {`null`, much},
		`. as {("a" * 1e9): $x} | $x`:                   {`{}`, much},
		`if "ab" * 1e9 then 1 else 2 end`:               {`null`, much},
		`label $x | foreach 1 as $i (0; "ab" * 1e9; .)`: {`null`, much},
	} {
		var before, after runtime.MemStats
		in := decoded(t, x.in)
		runtime.ReadMemStats(&before)
		begun := time.Now()
		_, err := queried(t, source, in)
		took := time.Since(begun)
		runtime.ReadMemStats(&after)
		if x.want == "" {
			if err != nil {
				t.Errorf("%.100s: %v", source, err)
			}
			continue
		}
		// A busy machine may run out of time before it runs out of memory.
		if err == nil || !strings.Contains(err.Error(), x.want) && !strings.Contains(err.Error(), "does not end within 1s") {
			t.Errorf("%.100s: %.500v, want %s", source, err, x.want)
		}
		if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > 1024 || took > 20*time.Second {
			t.Errorf("%.100s: %d MiB, %v", source, made, took)
		}
	}
}

// TestGuardedQueriesMeanTheSame: the guard changes no result, nor the order of several.
func TestGuardedQueriesMeanTheSame(t *testing.T) {
	in := decoded(t, `{"a": [1, 2, 3], "o": {"x": {"y": 1}}, "s": "a,b", "i": 1, "txs": [{"id": "A"}, {"id": "B"}]}`)
	for source, want := range map[string]string{
		`[(1, 2) + (10, 20)]`:                     `[11,12,21,22]`,
		`[(1, 2) * (10, 20) - 1]`:                 `[9,19,19,39]`,
		`.a + [4] - [2]`:                          `[1,3,4]`,
		`.o * {x: {z: 2}} + {w: 3}`:               `{"w":3,"x":{"y":1,"z":2}}`,
		`"ab" * 2 + "c"`:                          `"ababc"`,
		`.a[.i]`:                                  `2`,
		`.a[.i] = 9 | .a`:                         `[1,9,3]`,
		`.a[1:] = [7] | .a`:                       `[1,7]`,
		`.a[-1]`:                                  `3`,
		`.a[5] = 1 | .a`:                          `[1,2,3,null,null,1]`,
		`.o["x"].y`:                               `1`,
		`.o[("x", "q")] += {k: 1} | .o`:           `{"q":{"k":1},"x":{"k":1,"y":1}}`,
		`[.a[] += 1 | .a[0]]`:                     `[2]`,
		`[.i += (1, 2) | .i]`:                     `[2,3]`,
		`.i -= 3 | .i`:                            `-2`,
		`.i *= 5 | .i`:                            `5`,
		`.s |= . + "!" | .s`:                      `"a,b!"`,
		`.s | split(",") | join("-")`:             `"a-b"`,
		`.s | sub(",.*$"; "") + "\(1 + 1)"`:       `"a2"`,
		`.s | gsub("[ab]"; "x")`:                  `"x,x"`,
		`.s | [match("[ab]"; "g").string]`:        `["a","b"]`,
		`[.txs[].id | ascii_downcase] | add`:      `"ab"`,
		`add(.txs[].id)`:                          `"AB"`,
		`.a | contains([2])`:                      `true`,
		`.s | index(",")`:                         `1`,
		`[.a, [4]] | transpose`:                   `[[1,4],[2,null],[3,null]]`,
		`.a | tojson | fromjson | @base64 "\(.)"`: `"WzEsMiwzXQ=="`,
		`[.a | tostring, @json, @text]`:           `["[1,2,3]","[1,2,3]","[1,2,3]"]`,
		`[limit(1 + 1; .a[])]`:                    `[1,2]`,
		`[path(.a[.i - 1])]`:                      `[["a",0]]`,
		`setpath(["o", "x"]; 1 + 1) | .o`:         `{"x":2}`,
		`getpath(["o", "x", "y"])`:                `1`,
		`[paths(type == "number")] | length`:      `5`,
		`fromstream(tostream) | .i`:               `1`,
		`pick(.a[1])`:                             `{"a":[null,2]}`,
		`.a | nth(1)`:                             `2`,
		`"0x1f" | explode | implode`:              `"0x1f"`,
		`"12" | tonumber + 1`:                     `13`,
		`def f(x): x + x; f(.i)`:                  `2`,
		`def f: 1; f + f | . as $x | $x + .`:      `4`,
		`.a as [$x, $y] | $x + $y`:                `3`,
		`reduce .a[] as $x (0; . + $x)`:           `6`,
		`[foreach .a[] as $x (0; . + $x)]`:        `[1,3,6]`,
		`(try error("x" + "y") catch .) + "z"`:    `"xyz"`,
		`.txs | map({key: .id, value: 1}) | from_entries | keys`: `["A","B"]`,
		`[-1 + 2, -(1 + 2)]`:   `[1,-3]`,
		`.s | test("a" + ",")`: `true`,
		`[.txs[] | select(.id == "A" or .id + "x" == "Bx")] | length`: `2`,
	} {
		got, err := queried(t, source, in)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		text, err := json.Marshal(got)
		if d := cmp.Diff(want, string(text)); d != "" || err != nil {
			t.Errorf("%s: %s %v", source, d, err)
		}
		parsed, err := gojq.Parse(source)
		if err != nil {
			t.Fatal(err)
		}
		bare, _ := parsed.Run(in).Next()
		if d := cmp.Diff(bare, got); d != "" {
			t.Errorf("%s: not what jq makes of it: %s", source, d)
		}
	}
}

// TestAStepThatCannotBeStoppedIsLeft: a comparison of what looks small and is huge cannot be interrupted. The run does not
// wait for it.
func TestAStepThatCannotBeStoppedIsLeft(t *testing.T) {
	q, mistake := compileQuery(nil, Pos{}, `reduce range(27) as $i (1; [., .]) | . == .`)
	if mistake != nil {
		t.Fatal(mistake)
	}
	before := goleak.IgnoreCurrent()
	begun := time.Now()
	_, err := q.Run(t.Context(), nil)
	if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "does not end within 1s") || took > 10*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	// It takes seven seconds where nothing else runs, and ends by itself.
	if err := goleak.Find(before); err == nil {
		t.Error("the comparison was over: this tests nothing")
	}
}
