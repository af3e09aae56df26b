package invariant

// Definitions lists every invariant, in the order of reports.
func Definitions() []Definition {
	return []Definition{
		agreementDefinition, validityDefinition, convergenceDefinition, growthDefinition, propagationDefinition,
		inclusionDefinition, crashDefinition, isolationDefinition, accuracyDefinition,
	}
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
