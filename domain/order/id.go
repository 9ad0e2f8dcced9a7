package order

import (
	"crypto/sha256"
	"strings"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"
)

// eventNamespace makes event ids unlike any other UUIDv5. It must never
// change: equal meanings must get equal ids for ever.
var eventNamespace = uuid.UUID{0x6f, 0x72, 0x64, 0x65, 0x72, 0x2d, 0x4c, 0x45, 0x84, 0x47, 0x65, 0x72, 0x2d, 0x65, 0x76, 0x31}

// EventID is the UUIDv5 of an event's meaning: the order it is about, the key
// of the fact that it states, and its type. The same fact told again gets the
// same id.
func EventID(orderID, key, eventType string) uuid.UUID {
	return uuid.NewSHA1(eventNamespace, []byte(orderID+"|"+key+"|"+eventType))
}

// NotificationEventID is the id of the evidence of one distinct body.
func NotificationEventID(gateway, account, bodySHA256 string) uuid.UUID {
	return uuid.NewSHA1(eventNamespace, []byte("notification|"+gateway+"|"+account+"|"+bodySHA256))
}

// DeriveID mints the ULID of a part of an order (payment, refund, dispute)
// from the order's id and what identifies the part: the same part gets the
// same id in any order of arrival. The ULID's time is the order's.
func DeriveID(orderID, kind, key string) string {
	var id ulid.ULID
	if o, err := ulid.ParseStrict(orderID); err == nil {
		_ = id.SetTime(o.Time()) // cannot fail: taken from a ULID
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{orderID, kind, key}, "|")))
	_ = id.SetEntropy(sum[:10]) // cannot fail: ten bytes
	return id.String()
}
