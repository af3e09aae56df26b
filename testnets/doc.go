// Package testnets holds the ready scenarios (catalog/) and chain files (chains/), opens either by its name or its path,
// and writes chain files to begin with. What such files say is in packages scenario and chainspec.
package testnets
