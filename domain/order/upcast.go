package order

import (
	fastjson "github.com/segmentio/encoding/json"
)

// upcasters read what earlier versions of the program wrote: for each type, by version from 1, what
// turns the data into the event as it is now. A type that has none is still in its first version. The
// table is read only.
//
// A type gets a new version when its data takes another shape; a field that is added needs none. What
// is stored is never rewritten.
var upcasters = map[string][]func(data []byte) (Event, error){
	"RefundObserved": {refundObservedV1},
}

// CurrentVersion is the version of an event type's data that this code writes, from 1.
func CurrentVersion(eventType string) int { return len(upcasters[eventType]) + 1 }

func refundObservedV1(data []byte) (Event, error) {
	var v1 struct {
		RefundID  string `json:"refund_id"`
		PaymentID string `json:"payment_id"`
		Partial   bool   `json:"partial"`
	}
	if err := fastjson.Unmarshal(data, &v1); err != nil {
		return nil, err
	}
	e := RefundObserved{RefundID: v1.RefundID, PaymentID: v1.PaymentID, Extent: ExtentUnknown}
	if v1.Partial {
		e.Extent = ExtentPartial
	}
	return e, nil
}
