package external

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/netsplit/netsplit/ci/must"
	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/testnets/chainspec"
	"github.com/netsplit/netsplit/testnets/strictyaml"
)

// cookie is what must not be shown, not even a part of it.
const cookie = "correct-horse-battery-staple"

// shows reports whether a text shows a part of the cookie that is worth anything.
func shows(text string) bool { return strings.Contains(strings.ToLower(text), cookie[:8]) }

func TestRedactor_Text(t *testing.T) {
	var r redactor
	const odd = "a<b&c>\"d\\e\x01"
	r.add("hunter2!", "hunter2!-longer", "abc", "dead", "dead", odd)
	for in, want := range map[string]string{
		"":                                    "",
		"nothing to redact":                   "nothing to redact",
		"hunter2!":                            "[secret]",
		"hunter2!-longer and hunter2!":        "[secret] and [secret]",
		"abc is too short":                    "abc is too short",
		"hunter2!hunter2! hunter2":            "[secret][secret] hunter2",
		"a dead b":                            "a [secret] b",
		odd:                                   "[secret]",
		asJSON(odd):                           `"[secret]"`,
		fmt.Sprintf("%q", odd):                `"[secret]"`,
		`"a\u003cb\u0026c\u003e\"d\\e\u0001"`: `"[secret]"`,
	} {
		if got := r.text(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if r.err(nil) != nil {
		t.Error("an error of nil")
	}
}

func TestRedactor_Captured(t *testing.T) {
	longGenesis := strings.Repeat("a line of a genesis\n", maxCapturedLines+1)
	for _, c := range []struct{ captured, said, want string }{
		{"short77", "short77", "short77"},
		{" longer77\n", "longer77", "[secret]"},
		{"12345678", "12345678", "12345678"},
		{"18446744073709551615", "18446744073709551615", "18446744073709551615"},
		{"-1234567.5", "-1234567.5", "-1234567.5"},
		{"123456789012345678901", "123456789012345678901", "[secret]"}, // no number that a chain would count to
		{"0xDEADbeefcafe", "deadbeefcafe DEADBEEFCAFE", "[secret] [secret]"},
		{"-----BEGIN-----\nQUJD\nQUJDREVGR0g=\n", "QUJD QUJDREVGR0g=", "QUJD [secret]"},
		{longGenesis, "a line of a genesis", "a line of a genesis"},
		{longGenesis, longGenesis, "[secret]\n"},
	} {
		var r redactor
		r.addCaptured(c.captured)
		if got := r.text(c.said); got != c.want {
			t.Errorf("%.30q: %.30q became %.30q, want %q", c.captured, c.said, got, c.want)
		}
	}
}

func TestRedactor_ExcerptKeepsColumns(t *testing.T) {
	file := parse(t, plain, "description: A chain for tests.", "description: äöü "+cookie+" end")
	r := redactor{file: file}
	r.add(cookie)
	at := r.errorAt(strictyaml.Pos{Line: 3, Column: 1}, "wrong", "")
	if want := "äöü " + strings.Repeat("*", len(cookie)) + " end"; !strings.Contains(at.Error(), want) {
		t.Errorf("%s\nwant %s", at, want)
	}
}

// TestRedactor_Run: the library that runs expressions cuts values short in its errors.
func TestRedactor_Run(t *testing.T) {
	secret := strings.Repeat(cookie, 5)
	for _, c := range []struct{ jq, in, want string }{
		{".key.key", `{"key": "` + secret + `"}`, `jq .key.key: expected an object but got: string ("[secret]")`},
		{".key.x", `{"key": 12345678}`, "it does not fit the reply"},
		{"if . == \"[secret]\" then . else error end", `"` + secret + `"`, "it does not fit the reply"},
	} {
		w := newHarness(t, 1, parse(t, plain, "head: {call: head, jq: .}", "head: {call: head, jq: '"+c.jq+"'}"))
		w.secrets.add(secret, "12345678")
		_, err := w.secrets.run(t.Context(), w.file.Observe.Head.JQ, must.Get(decode([]byte(c.in)))(t))
		if err == nil || shows(err.Error()) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.jq, err)
		}
	}
}

func TestRedactor_BriefRedactsBeforeItShortens(t *testing.T) {
	var r redactor
	r.add(cookie)
	for _, before := range []int{0, 1, maxShown - 20, maxShown - 4, maxShown, maxRedacted - 10, maxRedacted} {
		got := r.brief(strings.Repeat("y", before) + cookie + strings.Repeat("z", 10))
		if shows(got) || len(got) > maxShown+3 {
			t.Errorf("after %d bytes: %s", before, got)
		}
	}
	// What hides secrets is so much shorter than they are that the limit of what is looked at is reached.
	if got := r.brief(strings.Repeat(cookie+" ", maxRedacted)); shows(got) {
		t.Error(got)
	}
}

// A node that answers with a secret across the place where messages are cut does not have the first half of it shown.
func TestRedact_Replies(t *testing.T) {
	filler := strings.Repeat("y", maxShown-20)
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"a status":        {503, filler + cookie, "error 503: "},
		"no JSON":         {200, filler + cookie, "the answer is not JSON"},
		"no result":       {200, `{"id":ID,"x":"` + filler[20:] + cookie + `"}`, "it has no result"},
		"a text":          {200, `{"id":ID,"error":"` + filler + cookie + `"}`, "error 0: yyy"},
		"a message":       {200, `{"id":ID,"error":{"code":7,"message":"` + filler + cookie + `"}}`, "error 7: yyy"},
		"data":            {200, `{"id":ID,"error":{"code":7,"message":"m","data":"` + filler + cookie + `"}}`, "error 7: m (yyy"},
		"data with parts": {200, `{"id":ID,"error":{"code":7,"message":"m","data":["` + filler + cookie + `"]}}`, `error 7: m (["yyy`},
		"another shape":   {200, `{"id":ID,"error":{"reason":"` + filler[10:] + cookie + `"}}`, `error 0: {"reason":"yyy`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := queryHead(t, t.Context(), answer(c.status, c.body), "{kind: jsonrpc2}", "{kind: jsonrpc2, bearer: "+cookie+"}")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "[secret]") {
				t.Fatalf("%v", err)
			}
			var node *RPCError
			if errors.As(err, &node) && shows(node.Message+node.Data) || shows(err.Error()) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestRedact_Genesis(t *testing.T) {
	filler := strings.Repeat("y", maxShown-20)
	w := newHarness(t, 2, parse(t, plain, "peers: {call: peers, jq: .}", "peers: {call: peers, jq: .}\n  genesis: {call: block0, jq: .hash}",
		"generate: {method: generate}", "generate: {method: generate}\n  block0: {method: block, params: [0]}"))
	w.secrets.add(cookie)
	w.fakes[1].set(0, filler+cookie)
	if m := w.reader.findMismatch(t.Context()); m == nil || m.Node != "b" || shows(m.Text) || !strings.Contains(m.Text, "yyy") {
		t.Errorf("%+v", m)
	}
	w.fakes[0].set(0, filler+cookie)
	k := &checker{reader: w.reader, chain: w.Chain, clock: &ticker{}, found: make(map[string]Finding)}
	if value, err := k.hasGenesis(t.Context()); err != nil || shows(value) || !strings.Contains(value, "yyy") {
		t.Errorf("%s, %v", value, err)
	}
}

// A literal password may stand in what comes before the credentials are needed.
func TestRedact_PasswordBeforeItIsUsed(t *testing.T) {
	boom := errors.New("exit 1:\n  | cannot log in with " + cookie)
	literal := func(run string) *chainspec.Chain {
		return parse(t, stepped, `"pw-{{.Node.Keys.salt.PrivateHex}}"`, cookie, `[genesis, "--time={{.Start.Unix}}"`, run)
	}
	fail := func(runtime.Command) (runtime.CommandResult, error) { return runtime.CommandResult{}, boom }
	long := strings.Repeat("x", 60)
	for name, c := range map[string]struct {
		file *chainspec.Chain
		f    *containers
	}{
		"the image":                 {literal(`[genesis, "--time={{.Start.Unix}}"`), &containers{imgErr: boom}},
		"a step":                    {literal(`[genesis, --password, ` + cookie), &containers{run: fail}},
		"a step, cut by an excerpt": {literal(`[genesis, ` + long + `, ` + cookie), &containers{run: fail}},
		"a template":                {literal(`["{{(index .Nodes 99).Name}}", "` + long[:48] + `, ` + cookie + `"`), &containers{}},
		"a part that nodes add to": {parse(t, stepped, `"pw-{{.Node.Keys.salt.PrivateHex}}"`, `"`+cookie[:20]+`-{{.Node.Name}}"`,
			`run: [enrol, "{{.captured.id}}"`, `run: [enrol, "{{.captured.id}}", `+cookie[:20]+`-b, `+cookie[:20]+`-a`),
			&containers{run: func(o runtime.Command) (runtime.CommandResult, error) {
				if o.Args[0] == "enrol" {
					return runtime.CommandResult{}, errors.New("exit 1")
				}
				return tooling(o)
			}}},
	} {
		t.Run(name, func(t *testing.T) {
			chain := New(c.file, c.f, nil, nil)
			_, err := chain.buildImage(t.Context()) // which is made before there is a network
			if err == nil {
				_, err = chain.Prepare(t.Context(), ring(2))
			}
			if err == nil {
				t.Fatal("no error")
			}
			if shows(err.Error()) || !strings.Contains(err.Error(), "*") && !strings.Contains(err.Error(), "[secret]") {
				t.Error(err)
			}
			var at *FileError
			if !errors.As(err, &at) || shows(at.Error()) || errors.Unwrap(at) == nil || shows(errors.Unwrap(at).Error()) {
				t.Errorf("inside: %v", at)
			}
		})
	}
}

// captures is a file whose only step captures something, which its nodes then have.
func captures(t *testing.T, how string) *chainspec.Chain {
	t.Helper()
	return parse(t, plain, "start:\n", "prepare: [{run: [make], capture: {it: {"+how+"}}}]\nstart:\n  env: [\"IT={{.captured.it}}\"]\n")
}

// printing is a step that prints a text.
func printing(text string) *containers {
	return &containers{run: func(runtime.Command) (runtime.CommandResult, error) {
		return runtime.CommandResult{Stdout: []byte(text)}, nil
	}}
}

func TestRedact_CapturedValues(t *testing.T) {
	for name, c := range map[string]struct {
		how, printed, said, want string
	}{
		"a key":           {"stdout: true", cookie + "\n", "my key is " + cookie, "my key is [secret]"},
		"public":          {"stdout: true, public: true", cookie, "my key is " + cookie, "my key is " + cookie},
		"a match":         {"stdout: true, match: 'key (.*)'", "key " + cookie, cookie, "[secret]"},
		"jq":              {"stdout: true, jq: .key", `{"key": "` + cookie + `"}`, cookie, "[secret]"},
		"a number by jq":  {"stdout: true, jq: .n", `{"n": 26657000}`, "port 26657000", "port 26657000"},
		"a short word":    {"stdout: true", "node-1", "node-1 runs", "node-1 runs"},
		"a key of lines":  {"stdout: true", "-----BEGIN KEY-----\nc2VjcmV0IGtleQ==\n-----END KEY-----", "  c2VjcmV0IGtleQ==", "  [secret]"},
		"hex with its 0x": {"stdout: true", "0xDEADBEEFCAFE", "deadbeefcafe, 0xdeadbeefcafe", "[secret], 0x[secret]"},
	} {
		t.Run(name, func(t *testing.T) {
			once := captures(t, c.how)
			each := parse(t, string(once.Source), "run: [make]", "run: [make], each: node", "{{.captured.it}}", "{{.Node.captured.it}}")
			for _, file := range []*chainspec.Chain{once, each} {
				chain := New(file, printing(c.printed), nil, nil)
				net := ring(2)
				must.Get(chain.Prepare(t.Context(), net))(t)
				if got := chain.secrets.text(c.said); got != c.want {
					t.Errorf("%q", got)
				}
				if got := reopen(t, chain, net).secrets.text(c.said); got != c.want {
					t.Errorf("in another process: %q", got)
				}
			}
		})
	}
}

// Of what a step gave and the file makes nothing of, nothing is shown either.
func TestRedact_CaptureErrors(t *testing.T) {
	long := strings.Repeat("y", maxShown-20)
	for name, c := range map[string]struct{ how, printed, want string }{
		"no match":    {"match: 'token (.*)'", long + cookie, "toy.yaml:6:61: match token (.*): no match in the text"},
		"no JSON":     {"jq: .key", cookie, "what was captured is not JSON"},
		"jq fails":    {"jq: .key.key", `{"key": "` + cookie + `"}`, "jq .key.key fails"},
		"a list":      {"jq: .", `["` + cookie + `"]`, "jq gave a list, which is neither text nor a number"},
		"half a pair": {"jq: .", `{"key": "` + long + cookie + `"}`, "jq gave a mapping, which is neither text nor a number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(captures(t, "stdout: true, "+c.how), printing(c.printed), nil, nil).Prepare(t.Context(), ring(1))
			hint := fmt.Sprintf("; the text, of %d bytes, may be a secret: `public: true` shows it", len(c.printed))
			if err == nil || shows(err.Error()) || !strings.Contains(err.Error(), c.want+hint) {
				t.Errorf("%v", err)
			}
			// What is public may hold a secret that is known.
			file := captures(t, "stdout: true, public: true, "+c.how)
			chain := New(file, printing(c.printed), nil, nil)
			chain.secrets.add(cookie)
			if _, err = chain.Prepare(t.Context(), ring(1)); err == nil || shows(err.Error()) || strings.Contains(err.Error(), "may be a secret") {
				t.Errorf("public: %v", err)
			}
		})
	}
}

// BenchmarkRedact is what a run's end costs for each line that nodes printed.
func BenchmarkRedact(b *testing.B) {
	c := New(parse(b, plain), image{}, http.DefaultTransport, nil)
	must.Get(c.Prepare(b.Context(), ring(20)))(b)
	line := strings.Repeat("2026-01-01 level=info msg=committed hash=49D6B68EEA5F ", 4)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if c.secrets.text(line) != line {
			b.Fatal("changed")
		}
	}
}
