package eventstore

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Filter chooses the events that a subscription to $all shows. At most one
// field is set; the zero value shows everything.
type Filter struct {
	// StreamPrefixes lets pass events whose stream begins with one of them.
	StreamPrefixes []string
	// TypePrefixes lets pass events whose type begins with one of them.
	TypePrefixes []string
	// StreamRegex and TypeRegex are RE2 expressions.
	StreamRegex, TypeRegex string
}

// Matcher compiles the filter; it is nil when the filter shows everything. A
// filter with more than one criterion, or with a bad expression, is ErrInvalid.
func (f Filter) Matcher() (func(*RecordedEvent) bool, error) {
	set := 0
	for _, isSet := range []bool{len(f.StreamPrefixes) > 0, len(f.TypePrefixes) > 0, f.StreamRegex != "", f.TypeRegex != ""} {
		if isSet {
			set++
		}
	}
	switch {
	case set == 0:
		return nil, nil
	case set > 1:
		return nil, fmt.Errorf("%w: a filter has one criterion, this one has %d", ErrInvalid, set)
	case len(f.StreamPrefixes) > 0:
		return func(e *RecordedEvent) bool { return hasAnyPrefix(e.Stream, f.StreamPrefixes) }, nil
	case len(f.TypePrefixes) > 0:
		return func(e *RecordedEvent) bool { return hasAnyPrefix(e.Type, f.TypePrefixes) }, nil
	}
	re, err := regexp.Compile(f.StreamRegex + f.TypeRegex) // one of them is empty
	if err != nil {
		return nil, fmt.Errorf("%w: filter: %w", ErrInvalid, err)
	}
	if f.StreamRegex != "" {
		return func(e *RecordedEvent) bool { return re.MatchString(e.Stream) }, nil
	}
	return func(e *RecordedEvent) bool { return re.MatchString(e.Type) }, nil
}

func hasAnyPrefix(s string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
