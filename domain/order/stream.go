package order

import "strings"

// Category is the first part of a stream's name, up to the first dash; it
// decides which projections see the stream.
type Category string

// Categories of streams. Orders live in the first three.
const (
	CategoryOrder      Category = "order"
	CategoryTestOrder  Category = "ordertest"
	CategoryPayout     Category = "payout"
	CategoryReference  Category = "ref"
	CategoryQuarantine Category = "quarantine"
)

// CategoryOf returns the category that an order of this kind lives in.
func CategoryOf(kind Kind, isTest bool) Category {
	switch {
	case isTest:
		return CategoryTestOrder
	case kind == KindPayout:
		return CategoryPayout
	}
	return CategoryOrder
}

// StreamName is the stream of an order.
func StreamName(c Category, orderID string) string { return string(c) + "-" + orderID }

// ParseStreamName splits the name of an order's stream; ok is false for any
// other stream.
func ParseStreamName(stream string) (c Category, orderID string, ok bool) {
	category, id, found := strings.Cut(stream, "-")
	if !found || id == "" {
		return "", "", false
	}
	switch c := Category(category); c {
	case CategoryOrder, CategoryTestOrder, CategoryPayout:
		return c, id, true
	case CategoryReference, CategoryQuarantine:
	}
	return "", "", false
}

// Kinds of references.
const (
	ReferenceOrder    = "order"
	ReferencePayment  = "payment"
	ReferenceMerchant = "merchant"
)

// ReferenceStream is the stream that links one external id to an order. A
// gateway's own ids are unique within the gateway; a merchant's reference is
// unique within the account, which the caller puts in front of it
// ("account/reference").
func ReferenceStream(gateway, kind, externalID string) string {
	return "ref-" + gateway + "-" + kind + "-" + externalID
}

// QuarantineStream is where a gateway's notifications without an order go.
func QuarantineStream(gateway string) string { return "quarantine-" + gateway }

// StreamPrefixes are the prefixes of all streams that projections read.
func StreamPrefixes() []string {
	return []string{"order-", "ordertest-", "payout-", "quarantine-"}
}
