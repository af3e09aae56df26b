// Fuzz finds the module's fuzz targets and runs each for a short time:
//
//	go run ./ci/fuzz            # every target, 5 s each
//	go run ./ci/fuzz -time 1m -only 'wire|chain'
//	go run ./ci/fuzz -list
//
// It exits with 1 if a target fails. Go writes the failing input to testdata/fuzz of the target's package, and `go test`
// runs it from then on: commit it with the fix.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"time"
)

// target is a fuzz function of a package.
type target struct{ pkg, name string }

func (t target) String() string { return t.pkg + "." + t.name }

func main() {
	each := flag.Duration("time", 5*time.Second, "how long to run each target")
	only := flag.String("only", "", "run the targets whose PACKAGE.NAME matches this regular expression")
	list := flag.Bool("list", false, "print the targets and exit")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *each, *only, *list); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, each time.Duration, only string, list bool) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	targets, err := find(ctx)
	if err != nil {
		return err
	}
	var failed []string
	count := 0
	for _, t := range targets {
		if !match.MatchString(t.String()) {
			continue
		}
		count++
		fmt.Println(t)
		if list {
			continue
		}
		if out, err := fuzz(ctx, t, each); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fmt.Printf("%s\n", out)
			failed = append(failed, t.String())
		}
	}
	switch {
	case count == 0:
		return fmt.Errorf("no target matches %q", only)
	case len(failed) > 0:
		return fmt.Errorf("%d of %d targets failed: %s", len(failed), count, strings.Join(failed, ", "))
	}
	return nil
}

// find returns the fuzz targets in the test files that `go list` selects for this system.
func find(ctx context.Context) ([]target, error) {
	const format = `{{$p := .}}{{range .TestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}{{"\n"}}{{end}}` +
		`{{range .XTestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}{{"\n"}}{{end}}`
	cmd := exec.CommandContext(ctx, "go", "list", "-f", format, "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	var targets []target
	for line := range strings.Lines(string(out)) {
		pkg, file, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, name := range functions(source) {
			targets = append(targets, target{pkg, name})
		}
	}
	return targets, nil
}

var fuzzFunction = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(\w+ \*testing\.F\)`)

// functions returns the names of the fuzz functions in a Go file.
func functions(source []byte) []string {
	var names []string
	for _, m := range fuzzFunction.FindAllSubmatch(source, -1) {
		names = append(names, string(m[1]))
	}
	return names
}

// fuzz runs one target. On a busy machine `go test` may fail with "context deadline exceeded" at the end of -fuzztime,
// without a failing input (golang.org/issue/75804): that is repeated once.
func fuzz(ctx context.Context, t target, each time.Duration) ([]byte, error) {
	for try := 1; ; try++ {
		cmd := exec.CommandContext(ctx, "go", "test", t.pkg, "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", each.String())
		out, err := cmd.CombinedOutput()
		late := bytes.Contains(out, []byte("context deadline exceeded")) && !bytes.Contains(out, []byte("Failing input"))
		if err == nil || !late || try == 2 {
			return out, err
		}
	}
}
