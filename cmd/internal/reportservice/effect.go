package reportservice

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Event is what the service reads of a CloudEvent.
type Event struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	Time       time.Time       `json:"time"`
	DataSchema string          `json:"dataschema"`
	Cursor     string          `json:"cursor"`
	Data       json.RawMessage `json:"data"`
}

// Total names what is summed.
type Total string

// Totals. Revenue is what customers paid, less what was reversed; refunds are what was given back, less
// what came back; disputes are what was taken from us by disputes and not reinstated.
const (
	Revenue  Total = "revenue"
	Refunds  Total = "refunds"
	Disputes Total = "disputes"
)

// effect is what one event adds to a total; Amount may be negative.
type effect struct {
	total    Total
	currency string
	amount   decimal.Decimal
}

// rule says what an event type does.
type rule struct {
	version int // the newest that is understood
	total   Total
	sign    int64 // 0: see corrections
}

// rules are the events that the service asks for; the others move none of its totals.
func rules() map[string]rule {
	return map[string]rule{
		"PaymentCaptured":          {1, Revenue, 1},
		"OrderPaidExternally":      {1, Revenue, 1},
		"PaymentReversed":          {1, Revenue, -1},
		"RefundCompleted":          {1, Refunds, 1},
		"RefundReversed":           {1, Refunds, -1},
		"DisputeFundsWithdrawn":    {1, Disputes, 1},
		"DisputeFundsReinstated":   {1, Disputes, -1},
		"LedgerCorrectionRecorded": {1, "", 0},
	}
}

// UnknownError says that an event cannot be understood: the service must learn it before it goes on.
type UnknownError struct{ Event, Why string }

func (e *UnknownError) Error() string { return "event " + e.Event + " is not understood: " + e.Why }

type moneyText struct {
	Amount   decimal.Decimal `json:"amount"`
	Currency string          `json:"currency"`
}

// effects tells what an event does to the totals.
func (e *Event) effects(known map[string]rule) ([]effect, error) {
	r, ok := known[e.Type]
	if !ok {
		return nil, &UnknownError{e.ID, "the type " + e.Type + " was not asked for"}
	}
	version, err := strconv.Atoi(e.DataSchema[strings.LastIndexByte(e.DataSchema, ':')+1:])
	if err != nil || version > r.version {
		return nil, &UnknownError{e.ID, fmt.Sprintf("%q is newer than version %d of %s", e.DataSchema, r.version, e.Type)}
	}
	if r.sign == 0 {
		return e.corrections()
	}
	var data struct {
		Amount *moneyText `json:"amount"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return nil, &UnknownError{e.ID, err.Error()}
	}
	if data.Amount == nil || data.Amount.Currency == "" {
		return nil, &UnknownError{e.ID, "it has no amount"}
	}
	return []effect{{r.total, data.Amount.Currency, data.Amount.Amount.Mul(decimal.NewFromInt(r.sign))}}, nil
}

// corrections are the adjustments of a LedgerCorrectionRecorded.
func (e *Event) corrections() ([]effect, error) {
	var data struct {
		Adjustments []struct {
			Balance   string    `json:"balance"`
			Direction string    `json:"direction"`
			Amount    moneyText `json:"amount"`
		} `json:"adjustments"`
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return nil, &UnknownError{e.ID, err.Error()}
	}
	var out []effect
	for _, a := range data.Adjustments {
		amount := a.Amount.Amount
		switch a.Direction {
		case "increase":
		case "decrease":
			amount = amount.Neg()
		default:
			return nil, &UnknownError{e.ID, "the direction " + a.Direction}
		}
		switch a.Balance {
		case "captured", "received_externally":
			out = append(out, effect{Revenue, a.Amount.Currency, amount})
		case "reversed":
			out = append(out, effect{Revenue, a.Amount.Currency, amount.Neg()})
		case "refunded":
			out = append(out, effect{Refunds, a.Amount.Currency, amount})
		case "dispute_held":
			out = append(out, effect{Disputes, a.Amount.Currency, amount})
		case "dispute_lost": // moves from held to lost what was withdrawn before
		case "authorised", "expected", "settled", "refund_pending": // none of the totals
		default:
			return nil, &UnknownError{e.ID, "the balance " + a.Balance}
		}
	}
	return out, nil
}
