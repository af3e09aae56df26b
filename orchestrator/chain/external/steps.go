package external

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/netsplit/netsplit/orchestrator/runtime"
	"github.com/netsplit/netsplit/testnets"
)

// stepsAtOnce is how many nodes a step is run for at a time.
const stepsAtOnce = 4

// stepHint is what to do about a step that fails.
const stepHint = "a step's container has the image's files, those of `files` and those kept by steps before it, and no network"

// step runs a step of the preparation: once, or for every node. What it captures can be used when all of it is done.
func (c *Chain) step(ctx context.Context, image string, number int, s testnets.Step) error {
	name := fmt.Sprintf("prepare step %d of %d", number+1, len(c.file.Prepare))
	if !s.EachNode {
		c.progress(fmt.Sprintf("preparing chain %s: step %d of %d", c.file.Name, number+1, len(c.file.Prepare)))
		captured, err := c.runStep(ctx, image, s, nil)
		if err != nil {
			return c.mistake(ctx, s.Pos, stepHint, fmt.Errorf("%s: %w", name, err))
		}
		maps.Copy(c.data["captured"].(map[string]any), captured)
		return nil
	}
	c.progress(fmt.Sprintf("preparing chain %s: step %d of %d for %d nodes", c.file.Name, number+1, len(c.file.Prepare), len(c.order)))
	captured := make([]map[string]any, len(c.order))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(stepsAtOnce)
	for i, n := range c.order {
		group.Go(func() (err error) {
			if captured[i], err = c.runStep(ctx, image, s, n); err != nil {
				return c.mistake(ctx, s.Pos, stepHint, fmt.Errorf("%s, node %s: %w", name, n.node.ID, err))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, n := range c.order {
		maps.Copy(n.data["captured"].(map[string]any), captured[i])
	}
	return nil
}

// runStep runs a step's command, for a node unless that is nil, and returns what it captured. Files that earlier steps
// kept for the node, or for all nodes, are there.
func (c *Chain) runStep(ctx context.Context, image string, s testnets.Step, n *node) (map[string]any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data := c.with(n, nil)
	command := runtime.Command{Image: image, Files: maps.Clone(c.common), Collect: slices.Clone(s.Keep)}
	if n != nil {
		command.Files = maps.Clone(n.files)
	}
	if err := render(s.Files, data, command.Files); err != nil {
		return nil, err
	}
	for _, t := range s.Run {
		arg, err := t.Render(data)
		if err != nil {
			return nil, err
		}
		command.Args = append(command.Args, arg)
	}
	for _, capture := range s.Capture {
		if capture.File != "" && !slices.Contains(command.Collect, capture.File) {
			command.Collect = append(command.Collect, capture.File)
		}
	}
	result, err := c.containers.RunCommand(ctx, command)
	if err != nil {
		return nil, fmt.Errorf("run %q: %w", command.Args, err)
	}
	captured := make(map[string]any, len(s.Capture))
	for _, capture := range s.Capture {
		if captured[capture.Name], err = c.capture(ctx, capture, result); err != nil {
			return nil, fmt.Errorf("run %q: %w", command.Args, err)
		}
	}
	if n != nil {
		return captured, c.keep(s, n.files, result)
	}
	for _, all := range c.order {
		if err := c.keep(s, all.files, result); err != nil {
			return nil, err
		}
	}
	return captured, c.keep(s, c.common, result)
}

// capture takes one value out of what a step gave. It is a secret from then on, unless the file says that it is public.
func (c *Chain) capture(ctx context.Context, capture testnets.Capture, result runtime.CommandResult) (string, error) {
	text := strings.TrimSpace(string(result.Stdout))
	if capture.File != "" {
		content, ok := result.Files[capture.File]
		if !ok {
			return "", fmt.Errorf("%s: capture %s: the command left no file %s", c.at(capture.Pos), capture.Name, capture.File)
		}
		text = string(content)
	}
	value, misfit := c.extract(ctx, capture, text)
	if misfit != nil {
		return "", fmt.Errorf("capture %s: %w", capture.Name, misfit.err(capture.Public))
	}
	c.conceal(capture, value)
	return value, nil
}

// conceal hides what a step captured.
func (c *Chain) conceal(capture testnets.Capture, value any) {
	if text, ok := value.(string); ok && !capture.Public {
		c.secrets.add(secretsIn(text)...)
	}
}

// extract takes one value out of a text.
func (c *Chain) extract(ctx context.Context, capture testnets.Capture, text string) (string, *noCapture) {
	failed := func(pos testnets.Pos, what string, shown error) *noCapture {
		return &noCapture{plain: fmt.Errorf("%s: %s", c.at(pos), what), shown: shown, size: len(text)}
	}
	switch {
	case capture.Match != nil:
		found, err := capture.Match.Find(text)
		if err != nil {
			return "", failed(capture.Match.Pos, "match "+capture.Match.Source+": it is nowhere in the text", err)
		}
		return found, nil
	case capture.JQ == nil:
		return text, nil
	}
	value, err := decode(strings.NewReader(text))
	if err != nil {
		const what = "what was captured is not JSON"
		return "", failed(capture.Pos, what, fmt.Errorf("%s: %s: %w: %s", c.at(capture.Pos), what, err, c.secrets.brief(text)))
	}
	if value, err = capture.JQ.Run(ctx, value); err != nil {
		return "", failed(capture.JQ.Pos, "jq "+capture.JQ.Source+" fails", err)
	}
	switch v := value.(type) {
	case string:
		return v, nil
	case nil, bool, []any, map[string]any:
		const what = "jq gave %s, which is neither text nor a number"
		return "", failed(capture.JQ.Pos, fmt.Sprintf(what, kindOf(v)), fmt.Errorf("%s: "+what, c.at(capture.JQ.Pos), c.show(v)))
	}
	return asJSON(value), nil
}

// noCapture is a text out of which nothing can be captured, and why.
type noCapture struct {
	plain error // without anything of the text
	shown error // with some of it
	size  int   // of the text
}

// err is the error about it. The text is shown only where it is public: what is wrong may be that it is another key.
func (n *noCapture) err(public bool) error {
	if public {
		return n.shown
	}
	return fmt.Errorf("%w; the text, of %d bytes, may be a secret: `public: true` shows it", n.plain, n.size)
}

// keep puts what a step is to leave among the files of a node, or those of all.
func (c *Chain) keep(s testnets.Step, files map[string][]byte, result runtime.CommandResult) error {
	for _, root := range s.Keep {
		found := false
		for path, content := range result.Files {
			if path == root || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/") {
				files[path] = content
				found = true
			}
		}
		if !found {
			return fmt.Errorf("keep %s: the command left no file there", root)
		}
	}
	return nil
}
