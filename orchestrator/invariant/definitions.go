package invariant

import "slices"

// Definitions lists every invariant, in the order of reports.
func Definitions() []Definition {
	return []Definition{
		agreementDefinition, validityDefinition, convergenceDefinition, growthDefinition, propagationDefinition,
		inclusionDefinition, crashDefinition, isolationDefinition, accuracyDefinition,
	}
}

// Missing returns what d needs and shown does not hold, in the order of d.Needs.
func (d *Definition) Missing(shown []Observation) []Observation {
	return slices.DeleteFunc(slices.Clone(d.Needs), func(o Observation) bool { return slices.Contains(shown, o) })
}

// Lookup finds an invariant by its name.
func Lookup(name string) (Definition, bool) {
	for _, d := range Definitions() {
		if d.Name == name {
			return d, true
		}
	}
	return Definition{}, false
}
