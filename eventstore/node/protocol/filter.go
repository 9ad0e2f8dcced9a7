package protocol

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"google.golang.org/grpc/codes"

	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// expressionBytesMax and prefixesMax bound what one filter may cost.
	expressionBytesMax = 4096
	prefixesMax        = 1024
)

// expression is one condition of a filter, in the messages of both services.
type expression interface {
	comparable
	GetRegex() string
	GetPrefix() []string
}

// wireFilter is a filter in the messages of both services.
type wireFilter[E expression] interface {
	GetStreamIdentifier() E
	GetEventType() E
	GetMax() uint32
	GetCount() *shared.Empty
	GetCheckpointIntervalMultiplier() uint32
}

// filterOf reads a client's filter; a regular expression wins over prefixes. It
// returns it also as a function, with the number of events between checkpoints,
// which matters to subscriptions only.
func filterOf[E expression](f wireFilter[E]) (
	filter eventstore.Filter, match func(*eventstore.RecordedEvent) bool, checkpointEvery uint32, err error,
) {
	window := uint64(max(1, f.GetMax()))
	checkpointEvery = uint32(min(window*uint64(f.GetCheckpointIntervalMultiplier()), math.MaxUint32))
	var none E
	byStream, byType := f.GetStreamIdentifier(), f.GetEventType()
	switch {
	case byStream != none:
		filter.StreamRegex, filter.StreamPrefixes, match, err = condition(byStream, streamOf)
	case byType != none:
		filter.TypeRegex, filter.TypePrefixes, match, err = condition(byType, typeOf)
	default:
		match = matchEverything
	}
	return filter, match, checkpointEvery, err
}

func matchEverything(*eventstore.RecordedEvent) bool { return true }
func streamOf(e *eventstore.RecordedEvent) string    { return e.Stream }
func typeOf(e *eventstore.RecordedEvent) string      { return e.Type }

func condition[E expression](x E, of func(*eventstore.RecordedEvent) string) (
	regex string, prefixes []string, match func(*eventstore.RecordedEvent) bool, err error,
) {
	if regex = x.GetRegex(); regex != "" {
		if len(regex) > expressionBytesMax {
			return "", nil, nil, fail(codes.InvalidArgument, fmt.Sprintf("the regular expression is longer than %d bytes", expressionBytesMax))
		}
		re, err := regexp.Compile(regex)
		if err != nil {
			return "", nil, nil, fail(codes.InvalidArgument, "the filter is no RE2 regular expression: "+err.Error())
		}
		return regex, nil, func(e *eventstore.RecordedEvent) bool { return re.MatchString(of(e)) }, nil
	}
	if prefixes = x.GetPrefix(); len(prefixes) == 0 {
		return "", nil, matchEverything, nil
	}
	if len(prefixes) > prefixesMax {
		return "", nil, nil, fail(codes.InvalidArgument, fmt.Sprintf("the filter has more than %d prefixes", prefixesMax))
	}
	return "", prefixes, func(e *eventstore.RecordedEvent) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(of(e), p) })
	}, nil
}
