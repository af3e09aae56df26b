package chainspec

import (
	"encoding/json"
	"fmt"
	"strings"
)

// maxDigits is the most characters of a number in what a query is applied to. gojq takes time as the square of them: a
// million digits are seconds and gigabytes of garbage, inside of tonumber, + and most else, and a reply may have sixteen
// millions where it should have a height.
const maxDigits = 1000

// checkDigits looks for numbers in a value, written as such or as text, that are too long.
func checkDigits(v any) (err error) {
	switch v := v.(type) {
	case json.Number:
		return checkNumber(string(v))
	case string:
		return checkNumber(v)
	case []any:
		for i := 0; i < len(v) && err == nil; i++ {
			err = checkDigits(v[i])
		}
	case map[string]any:
		for _, field := range v {
			if err = checkDigits(field); err != nil {
				break
			}
		}
	}
	return err
}

func checkNumber(text string) error {
	if len(text) > maxDigits && strings.Trim(text, "0123456789+-.eE ") == "" {
		return fmt.Errorf("a number has %d characters, at most %d are read", len(text), maxDigits)
	}
	return nil
}
