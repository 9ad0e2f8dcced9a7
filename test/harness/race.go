//go:build race

package harness

// raceFlag builds the binary the way that the tests are built.
const raceFlag = "-race"
