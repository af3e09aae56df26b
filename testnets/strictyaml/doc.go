// Package strictyaml decodes YAML files that people write: every mistake is an Error with file, line, column, the line
// itself with a caret, and a hint such as the nearest valid key. It knows no scenario and no chain.
package strictyaml
