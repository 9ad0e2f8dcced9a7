//go:build race

package harness

// raceFlag builds the binary the way that the tests are built.
const raceFlag = "-race"

// Race tells whether the binary has the race detector, with which it takes several times the memory.
const Race = true
