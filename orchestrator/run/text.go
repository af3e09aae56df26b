package run

import (
	"errors"
	"os"
	"strings"
)

// also joins a further error, which may be nil, to err, unless err tells of it already.
func also(err, further error) error {
	if further == nil || errors.Is(err, further) {
		return err
	}
	if err == nil {
		return further
	}
	return errors.Join(err, further)
}

// firstLine returns an error's first line, for fields that hold one.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func writeLines(path string, lines []string) error {
	return os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}
