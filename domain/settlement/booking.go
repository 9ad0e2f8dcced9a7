package settlement

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// BookingStreamPrefix begins the streams of lines that are booked without an order, one stream for each line: the same
// line of another statement, or of another import, finds it taken.
const BookingStreamPrefix = StreamPrefix + "booked-"

// Types of the events of these streams: a line is booked, and what stood in suspense is released once.
const (
	LineBookedType   = "StatementLineBooked"
	LineReleasedType = "StatementLineReleased"
)

// Booking says as what a line is booked that belongs to no order.
type Booking string

// Bookings.
const (
	// BookedFee is a cost of the account: the gateway's bill, or the bank's.
	BookedFee Booking = "fee"
	// BookedPayout moves money between the gateway and the bank: it is in transit until both show it.
	BookedPayout Booking = "payout"
	// BookedSuspense is money that moved and that nobody knows the reason of; it is released when that is known.
	BookedSuspense Booking = "suspense"
)

// LineBooked is the data of both events: what moved on the account that the statement is about, by a line of it.
type LineBooked struct {
	StatementID string  `json:"statement_id"`
	Line        int     `json:"line"`
	Kind        Kind    `json:"kind"`
	Side        Side    `json:"side"`
	As          Booking `json:"as"`
	// Entity is the legal entity whose books it is in.
	Entity string `json:"entity"`
	// Gross, Fee and Exchange are those of the line.
	Gross    money.Money  `json:"gross"`
	Fee      *money.Money `json:"fee,omitempty"`
	Exchange *Exchange    `json:"exchange,omitempty"`
	// ValueDate is the day of the line; of what is released, that of the line as well.
	ValueDate     string `json:"value_date"`
	Reference     string `json:"reference,omitempty"`
	SettlementRef string `json:"settlement_ref,omitempty"`
	// Reason is why the line belongs to no order, or why it is released.
	Reason string `json:"reason,omitempty"`
	// To is the account, in the chart without configuration, that two people released it to, and Approver the second of them.
	// Empty where it is released because it matches.
	To       string `json:"to,omitempty"`
	Approver string `json:"approver,omitempty"`
}

// Check says what is wrong with a booking.
func (b *LineBooked) Check() error {
	line := Line{Kind: b.Kind, ValueDate: b.ValueDate, Gross: b.Gross, Fee: b.Fee, Exchange: b.Exchange}
	switch {
	case !slices.Contains(Kinds(), b.Kind):
		return fmt.Errorf("the kind %q", b.Kind)
	case b.Side != AtGateway && b.Side != AtBank:
		return fmt.Errorf("the side %q", b.Side)
	case b.As != BookedFee && b.As != BookedPayout && b.As != BookedSuspense:
		return fmt.Errorf("booked as %q", b.As)
	case b.Entity == "" || b.Line < 1:
		return fmt.Errorf("line %d in the books of %q", b.Line, b.Entity)
	}
	return line.Check()
}

// Incoming tells whether the line brought money to the account that the statement is about: a payout brings it to the
// bank's.
func (b *LineBooked) Incoming() bool {
	if b.Kind.OfPayout() && b.Side == AtBank {
		return !b.Kind.Incoming()
	}
	return b.Kind.Incoming()
}

// Cash is what moved on the account, fee included, above zero for what came in.
func (b *LineBooked) Cash() money.Money {
	cash := b.Gross
	if b.Exchange != nil {
		cash = b.Exchange.Amount
	}
	if !b.Incoming() {
		cash = cash.Neg()
	}
	if b.Fee == nil {
		return cash
	}
	if left, err := cash.Sub(*b.Fee); err == nil {
		return left
	}
	return cash // Check refuses a fee in another currency
}

// BookingOf says as what a line is booked that belongs to no order; empty for one that is not booked.
func BookingOf(side Side, l *Line, reason Reason) Booking {
	switch {
	case l.Kind == Fee || l.Kind == FeeReversal:
		return BookedFee
	case l.Kind.OfPayout() && (side == AtGateway || l.SettlementRef != ""):
		return BookedPayout
	case l.Kind.OfPayout() || StatusOf(reason) == Unmatched:
		return BookedSuspense
	}
	return ""
}

// BookingStreams names the streams of the bookings of a statement's lines, by the lines' numbers. A line is the same as
// one of another statement of the account when it has the same id, day and amount or, without ids and of payouts, when it
// says the same; the second equal line of one statement is another one.
func BookingStreams(h *Header, lines []Line) map[int]string {
	streams, equal := make(map[int]string, len(lines)), make(map[string]int)
	for i := range lines {
		l := &lines[i]
		key := strings.Join([]string{h.Gateway, h.Account, string(h.Side), string(l.Kind)}, "|")
		switch {
		case l.Kind.OfPayout() && l.SettlementRef != "":
			key += "|" + strings.Join([]string{l.SettlementRef, l.ValueDate, l.Gross.Format()}, "|")
		case l.ID != "": // many banks number the entries of each statement from 1: the id alone tells no month from another
			key += "|id|" + strings.Join([]string{l.ID, l.ValueDate, l.Gross.Format()}, "|")
		default:
			content, err := json.Marshal([]any{l.ValueDate, l.Gross, l.Fee, l.Net, l.SettlementRef, l.References})
			if err != nil {
				panic(err) // texts and money only
			}
			key += "|" + string(content)
		}
		equal[key]++
		sum := sha256.Sum256([]byte(key + "|" + strconv.Itoa(equal[key])))
		const bytes = 16
		streams[l.Number] = BookingStreamPrefix + hex.EncodeToString(sum[:bytes])
	}
	return streams
}

// BookingEventID is the id of an event of a booking's stream: of another line of the same content it is another one, or
// the store would take it for the same.
func BookingEventID(stream, eventType, statementID string, line int) uuid.UUID {
	return uuid.NewSHA1(eventNamespace, []byte(stream+"|"+eventType+"|"+statementID+"|"+strconv.Itoa(line)))
}
