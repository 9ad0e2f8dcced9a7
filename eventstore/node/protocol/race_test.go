//go:build race

package protocol_test

// raceMemory is how many times more memory a process takes with the race detector.
const raceMemory = 4
