package connectpay

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/commands/gateways/wire"
)

// timestampHeader tells when the gateway made a notification, in UTC. Its format is not documented.
const timestampHeader = "X-Connectpay-Timestamp"

const (
	// unixSecondsMin is the beginning of 2001: a smaller number is no time of a payment.
	unixSecondsMin = 978307200
	// unixMillisMin is where numbers are milliseconds; as seconds it would be the year 5138.
	unixMillisMin = 100_000_000_000
	unixMillisMax = 253_402_300_799_999
)

// timestamp reads when a notification was made: ISO 8601, in UTC when it has no distance from UTC,
// or seconds or milliseconds since 1970. It is zero when there is no header or it tells no time.
func timestamp(header http.Header) time.Time {
	text := strings.TrimSpace(header.Get(timestampHeader))
	if text == "" {
		return time.Time{}
	}
	if at, err := wire.ParseTime(text); err == nil {
		return at
	}
	for _, layout := range [...]string{"2006-01-02T15:04:05", time.DateTime} {
		if at, err := time.Parse(layout, text); err == nil && at.Unix() >= unixSecondsMin {
			return at
		}
	}
	number, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || number < unixSecondsMin || number > unixMillisMax:
		return time.Time{}
	case number >= unixMillisMin:
		return time.UnixMilli(number).UTC()
	}
	return time.Unix(number, 0).UTC()
}
