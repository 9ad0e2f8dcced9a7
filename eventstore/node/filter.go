package node

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/order-ledger/order-ledger/eventstore"
)

// matcher decides which events a filtered subscription shows; nil shows all.
type matcher func(e *eventstore.RecordedEvent) bool

// newMatcher compiles a filter.
func newMatcher(f eventstore.Filter) (matcher, error) {
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
		return nil, fmt.Errorf("%w: a filter has one criterion, this one has %d", eventstore.ErrInvalid, set)
	case len(f.StreamPrefixes) > 0:
		return func(e *eventstore.RecordedEvent) bool { return hasAnyPrefix(e.Stream, f.StreamPrefixes) }, nil
	case len(f.TypePrefixes) > 0:
		return func(e *eventstore.RecordedEvent) bool { return hasAnyPrefix(e.Type, f.TypePrefixes) }, nil
	case f.StreamRegex != "":
		re, err := compile(f.StreamRegex)
		return func(e *eventstore.RecordedEvent) bool { return re.MatchString(e.Stream) }, err
	default:
		re, err := compile(f.TypeRegex)
		return func(e *eventstore.RecordedEvent) bool { return re.MatchString(e.Type) }, err
	}
}

func compile(expr string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("%w: filter: %w", eventstore.ErrInvalid, err)
	}
	return re, nil
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
