package protocol

import (
	"fmt"
	"math"
	"regexp"

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

// filterOf reads a client's filter; a regular expression wins over prefixes. The
// number of events between checkpoints matters to subscriptions only.
func filterOf[E expression](f wireFilter[E]) (filter eventstore.Filter, checkpointEvery uint32, err error) {
	window := uint64(max(1, f.GetMax()))
	checkpointEvery = uint32(min(window*uint64(f.GetCheckpointIntervalMultiplier()), math.MaxUint32))
	var none E
	byStream, byType := f.GetStreamIdentifier(), f.GetEventType()
	switch {
	case byStream != none:
		filter.StreamRegex, filter.StreamPrefixes, err = condition(byStream)
	case byType != none:
		filter.TypeRegex, filter.TypePrefixes, err = condition(byType)
	}
	return filter, checkpointEvery, err
}

func condition[E expression](x E) (regex string, prefixes []string, err error) {
	if regex = x.GetRegex(); regex != "" {
		if len(regex) > expressionBytesMax {
			return "", nil, fail(codes.InvalidArgument, fmt.Sprintf("the regular expression is longer than %d bytes", expressionBytesMax))
		}
		if _, err := regexp.Compile(regex); err != nil {
			return "", nil, fail(codes.InvalidArgument, "the filter is no RE2 regular expression: "+err.Error())
		}
		return regex, nil, nil
	}
	if prefixes = x.GetPrefix(); len(prefixes) > prefixesMax {
		return "", nil, fail(codes.InvalidArgument, fmt.Sprintf("the filter has more than %d prefixes", prefixesMax))
	}
	return "", prefixes, nil
}
