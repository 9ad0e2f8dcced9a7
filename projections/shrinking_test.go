package projections_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// shrinking is a check of a property as helpers know tests: what fails in it is made smaller.
type shrinking struct {
	testing.TB // for the rest
	check      *rapid.T
}

func (s shrinking) Context() context.Context          { return s.check.Context() }
func (s shrinking) Cleanup(do func())                 { s.check.Cleanup(do) }
func (s shrinking) Helper()                           {}
func (s shrinking) Log(args ...any)                   { s.check.Log(args...) }
func (s shrinking) Logf(format string, args ...any)   { s.check.Logf(format, args...) }
func (s shrinking) Error(args ...any)                 { s.check.Error(args...) }
func (s shrinking) Errorf(format string, args ...any) { s.check.Errorf(format, args...) }
func (s shrinking) Fatal(args ...any)                 { s.check.Fatal(args...) }
func (s shrinking) Fatalf(format string, args ...any) { s.check.Fatalf(format, args...) }
func (s shrinking) Failed() bool                      { return s.check.Failed() }

// drawn are dice that a property draws, and that it makes smaller; ids are of no interest to it.
type drawn struct {
	check *rapid.T
	ids   *rand.Rand
}

func newDrawn(check *rapid.T) drawn { return drawn{check: check, ids: rand.New(rand.NewPCG(1, 1))} }

func (d drawn) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.check, "n") }
func (d drawn) Uint32() uint32 { return d.ids.Uint32() }

// checkProperty is rapid.Check for properties that need PostgreSQL, whose time is that of the database: they are checked
// so many times, unless -rapid.checks or RAPID_CHECKS says how often.
func checkProperty(t *testing.T, times int, property func(tb shrinking, dice drawn)) {
	t.Helper()
	given := os.Getenv("RAPID_CHECKS") != ""
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	failed := false
	rapid.Check(t, func(check *rapid.T) {
		if times--; times < 0 && !given && !failed {
			return
		}
		passed := false
		defer func() { failed = failed || !passed }() // from then on it is made smaller
		property(shrinking{TB: t, check: check}, newDrawn(check))
		passed = !check.Failed()
	})
}
