package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/netsplit/netsplit/testnets"
)

const (
	flagFamily = "family"
	flagRPC    = "rpc"
)

// imageSources are the ways to an image, in the order in which they are shown.
var imageSources = []string{"go", "binary", "ref", "dockerfile"}

func (e *env) chainInitCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "init",
		Usage:     "write a commented chain file to begin with",
		ArgsUsage: "NAME",
		Description: "Writes NAME.yaml, which runs once its arguments, calls and jq expressions are those of your node.\n" +
			"An existing file is never overwritten.\n" +
			"For example: netsplit chain init mychain --image go:example.org/mychain/cmd/node@v1.2.3",
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: flagFamily, Value: testnets.FamilyBFT, DefaultText: testnets.FamilyBFT,
				Usage: "kind of `CONSENSUS`: " + strings.Join(testnets.StarterFamilies, ", ")},
			&ucli.StringFlag{Name: flagRPC, Value: testnets.JSONRPC2, DefaultText: testnets.JSONRPC2,
				Usage: "how nodes are `ASKED`: " + strings.Join(testnets.StarterRPCs, ", ")},
			&ucli.StringFlag{Name: flagImage, DefaultText: "binary:./NAME",
				Usage: "the program: `SOURCE`, go:MODULE/cmd@VERSION, binary:, ref: or dockerfile:"},
			&ucli.StringFlag{Name: flagOut, Usage: "write to `FILE` instead; - is standard output", DefaultText: "NAME.yaml", TakesFile: true},
		},
		Action: e.chainInit,
	}
}

func (e *env) chainInit(c *ucli.Context) error {
	s, err := starterOf(c)
	if err != nil {
		return err
	}
	text, err := testnets.StarterChain(s)
	if err != nil {
		var bad *testnets.Error
		if errors.As(err, &bad) { // about a file that is not there: its places say nothing
			return usagef(bad.Hint, "chain init: %s", bad.Msg)
		}
		return err
	}
	file := c.String(flagOut)
	switch file {
	case "-":
		_, err = e.out.Write(text)
		return err
	case "":
		file = s.Name + ".yaml"
	}
	if err := writeNew(file, text); err != nil {
		return err
	}
	shown := file
	if !strings.ContainsAny(shown, "/"+string(os.PathSeparator)) {
		shown = "./" + shown
	}
	fmt.Fprintf(e.out, "wrote %s\nnext: put in how your node is started and asked, and try it: netsplit chain check %s\n", file, shellWord(shown))
	return nil
}

// starterOf reads what the command line says about a new chain file.
func starterOf(c *ucli.Context) (s testnets.Starter, err error) {
	s = testnets.Starter{Name: c.Args().First(), Family: c.String(flagFamily), RPC: c.String(flagRPC)}
	if !slices.Contains(testnets.StarterFamilies, s.Family) {
		return s, usagef("one of "+strings.Join(testnets.StarterFamilies, ", "), "--%s cannot be %q", flagFamily, s.Family)
	}
	if !slices.Contains(testnets.StarterRPCs, s.RPC) {
		return s, usagef("one of "+strings.Join(testnets.StarterRPCs, ", "), "--%s cannot be %q", flagRPC, s.RPC)
	}
	image := c.String(flagImage)
	if image == "" {
		image = "binary:./" + s.Name
	}
	source, value, _ := strings.Cut(image, ":")
	value = strings.TrimSpace(value)
	fields := map[string]*string{
		"go": &s.Image.Go, "binary": &s.Image.Binary, "ref": &s.Image.Ref, "dockerfile": &s.Image.Dockerfile,
	}
	field, ok := fields[source]
	if !ok || value == "" {
		return s, usagef("write "+strings.Join(imageSources, ":..., ")+":..., for example ref:example/node:v1",
			"--%s cannot be %q", flagImage, image)
	}
	*field = value
	return s, nil
}

// writeNew writes a file that must not be there yet.
func writeNew(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usagef("name another with --out, or remove it first", "%s is there already and is not overwritten", file)
	}
	if err != nil {
		return usagef("name another with --out", "write the chain file: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return infrastructure(fmt.Errorf("write the chain file: %w", err), "")
	}
	return nil
}
