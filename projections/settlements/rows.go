// Package settlements is the read model behind the views ledger.settlement_…: statements of gateways and
// banks, line by line. What lines match stands in the history of the orders, and the views join both.
package settlements

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/domain/accounting"
	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections/internal/storable"
)

var (
	//go:embed insert_statement.sql
	insertStatementSQL string
	//go:embed insert_lines.sql
	insertLinesSQL string
	//go:embed insert_result.sql
	insertResultSQL string
	//go:embed insert_pass.sql
	insertPassSQL string
	//go:embed insert_booking.sql
	insertBookingSQL string
)

// Rows collects what the tables of statements are to hold. The zero value is empty.
type Rows struct{ events []read }

// read is an event of a statement that was read.
type read struct {
	event      *eventstore.RecordedEvent
	actor      string
	recordedAt time.Time
	imported   *settlement.Imported
	lines      *settlement.LinesRecorded
	pass       *settlement.StatementMatched
	stranger   *order.SettlementMismatchFlagged
	booked     *settlement.LineBooked
}

// Add appends the rows of an event of a statement's stream. One that is not as our own writer makes it has
// none, and is an error.
func (r *Rows) Add(ev *eventstore.RecordedEvent) error {
	one, err := readEvent(ev)
	if err != nil {
		return fmt.Errorf("event %s of stream %q: %w", ev.ID, ev.Stream, err)
	}
	r.events = append(r.events, one)
	return nil
}

func readEvent(ev *eventstore.RecordedEvent) (read, error) {
	var m order.Metadata
	if err := json.Unmarshal(ev.Metadata, &m); err != nil {
		return read{}, fmt.Errorf("decode the envelope of %s: %w", ev.Type, err)
	}
	one := read{event: ev, actor: m.Actor, recordedAt: storable.ShownTime(m.RecordedAt)}
	id, err := "", error(nil)
	switch ev.Type {
	case settlement.StatementImportedType:
		one.imported = new(settlement.Imported)
		if err = json.Unmarshal(ev.Data, one.imported); err == nil {
			id, err = one.imported.StatementID, checkHeader(one.imported)
		}
	case settlement.LinesRecordedType:
		one.lines = new(settlement.LinesRecorded)
		if err = json.Unmarshal(ev.Data, one.lines); err == nil {
			id, err = one.lines.StatementID, checkLines(one.lines.Lines)
		}
	case settlement.StatementMatchedType:
		one.pass = new(settlement.StatementMatched)
		if err = json.Unmarshal(ev.Data, one.pass); err == nil {
			id, err = one.pass.StatementID, checkCounts(one.pass.Pass, one.pass.Matched, one.pass.Mismatched, one.pass.Unmatched)
		}
	case settlement.LineBookedType, settlement.LineReleasedType:
		booked, _, decodeErr := ReadBooking(ev)
		if decodeErr != nil {
			return read{}, decodeErr
		}
		one.booked = booked
		return one, nil
	default:
		event, _, decodeErr := order.Decode(ev.Type, ev.Data, ev.Metadata)
		if decodeErr != nil {
			return read{}, decodeErr
		}
		e, ok := event.(order.SettlementMismatchFlagged)
		if !ok {
			return read{}, fmt.Errorf("unexpected event %s", ev.Type)
		}
		one.stranger, id, err = &e, e.StatementID, checkCounts(e.Line)
	}
	if err != nil {
		return read{}, fmt.Errorf("decode %s: %w", ev.Type, err)
	}
	if settlement.Stream(id) != ev.Stream {
		return read{}, fmt.Errorf("%s of the statement %q", ev.Type, id)
	}
	return one, nil
}

// ReadBooking reads an event of a line that is booked without an order.
func ReadBooking(ev *eventstore.RecordedEvent) (*settlement.LineBooked, *order.Metadata, error) {
	var m order.Metadata
	var b settlement.LineBooked
	if err := errors.Join(json.Unmarshal(ev.Metadata, &m), json.Unmarshal(ev.Data, &b)); err != nil {
		return nil, nil, fmt.Errorf("decode %s: %w", ev.Type, err)
	}
	revision := uint64(0)
	if ev.Type == settlement.LineReleasedType {
		revision = 1
	}
	switch {
	case !strings.HasPrefix(ev.Stream, settlement.BookingStreamPrefix):
		return nil, nil, fmt.Errorf("%s in the stream %s", ev.Type, ev.Stream)
	case ev.Revision != revision: // a line is booked once, and released once
		return nil, nil, fmt.Errorf("%s at revision %d", ev.Type, ev.Revision)
	case revision == 1 && b.As != settlement.BookedSuspense:
		return nil, nil, fmt.Errorf("a line booked as %s is released", b.As)
	}
	if b.To != "" {
		if _, err := accounting.ReleaseAccount(b.To); err != nil || revision == 0 {
			return nil, nil, errors.Join(fmt.Errorf("%s to %q", ev.Type, b.To), err)
		}
	}
	if err := errors.Join(b.Check(), checkCounts(b.Line)); err != nil {
		return nil, nil, fmt.Errorf("decode %s: %w", ev.Type, err)
	}
	return &b, &m, nil
}

func checkHeader(e *settlement.Imported) error {
	if e.Side != settlement.AtGateway && e.Side != settlement.AtBank {
		return fmt.Errorf("side %q", e.Side)
	}
	for _, day := range []string{e.FirstDate, e.LastDate} {
		if _, err := settlement.ParseDay(day); day != "" && err != nil {
			return err
		}
	}
	return checkCounts(e.Lines, e.Days)
}

func checkLines(lines []settlement.Line) error {
	for i := range lines {
		if !slices.Contains(settlement.Kinds(), lines[i].Kind) {
			return fmt.Errorf("line %d is of kind %q", lines[i].Number, lines[i].Kind)
		}
		if err := errors.Join(lines[i].Check(), checkCounts(lines[i].Number, lines[i].FileLine)); err != nil {
			return fmt.Errorf("line %d: %w", lines[i].Number, err)
		}
	}
	return nil
}

// checkCounts refuses numbers that no statement has, and the tables do not hold.
func checkCounts(numbers ...int) error {
	const most = 1_000_000_000
	for _, n := range numbers {
		if n < 0 || n > most {
			return fmt.Errorf("the number %d", n)
		}
	}
	return nil
}

// Queue adds the statements that write all rows; what is there already stays.
func (r *Rows) Queue(b *pgx.Batch) {
	for i := range r.events {
		one := &r.events[i]
		at, id := int64(one.event.Position.Commit), [16]byte(one.event.ID)
		switch {
		case one.imported != nil:
			e := one.imported
			b.Queue(insertStatementSQL, text(e.StatementID), at, id, one.recordedAt, text(one.actor), text(e.Gateway), text(e.Account), string(e.Side),
				text(string(e.Format)), known(e.FileName), text(e.FileSHA256), known(e.StatementRef), known(e.FirstDate), known(e.LastDate),
				e.Lines, currencyOf(e.Opening), amount(e.Opening), amount(e.Closing), e.Days)
		case one.lines != nil:
			queueLines(b, one.lines, at)
		case one.stranger != nil:
			b.Queue(insertResultSQL, at, id, text(one.stranger.StatementID), one.stranger.Line, text(string(one.stranger.Reason)), one.recordedAt)
		case one.booked != nil:
			e := one.booked
			reason := e.Reason
			if e.To != "" {
				reason = fmt.Sprintf("to %s, approved by %s: %s", e.To, e.Approver, e.Reason)
			}
			b.Queue(insertBookingSQL, at, id, text(one.event.Stream), int64(one.event.Revision), text(e.StatementID), e.Line, string(e.As),
				one.event.Type == settlement.LineReleasedType, text(e.Entity), known(reason), one.recordedAt, text(one.actor))
		case one.pass != nil:
			e := one.pass
			b.Queue(insertPassSQL, at, text(e.StatementID), e.Pass, e.Matched, e.Mismatched, e.Unmatched, one.recordedAt)
		}
	}
}

func queueLines(b *pgx.Batch, e *settlement.LinesRecorded, at int64) {
	n := len(e.Lines)
	numbers, fileLines := make([]int32, n), make([]int32, n)
	kinds, dates, currencies, gross := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	references, others, settlementRefs, fees, nets := make([]*string, n), make([]string, n), make([]*string, n), make([]*string, n), make([]*string, n)
	settled, settledCurrencies := make([]*string, n), make([]*string, n)
	for i := range e.Lines {
		l := &e.Lines[i]
		if x := l.Exchange; x != nil {
			settled[i], settledCurrencies[i] = amount(&x.Amount), currencyOf(&x.Amount)
		}
		numbers[i], fileLines[i] = int32(l.Number), int32(l.FileLine)
		kinds[i], dates[i], currencies[i] = string(l.Kind), l.ValueDate, l.Gross.Currency().Code()
		gross[i] = storable.Amount(l.Gross, l.Gross.Currency())
		references[i], settlementRefs[i] = known(l.Reference()), known(l.SettlementRef)
		fees[i], nets[i] = amount(l.Fee), amount(l.Net)
		more := []string{}
		for _, other := range l.References[min(1, len(l.References)):] {
			more = append(more, text(other))
		}
		encoded, err := json.Marshal(more)
		if err != nil {
			encoded = []byte("[]") // texts only
		}
		others[i] = string(encoded)
	}
	b.Queue(insertLinesSQL, text(e.StatementID), at, numbers, fileLines, kinds, references, others, settlementRefs, dates, currencies, gross, fees, nets,
		settled, settledCurrencies)
}

func text(s string) string { return storable.Text(s) }

// known is nil for what is not known.
func known(s string) *string {
	if s == "" {
		return nil
	}
	s = storable.Text(s)
	return &s
}

func amount(m *money.Money) *string {
	if m == nil {
		return nil
	}
	s := storable.Amount(*m, m.Currency())
	return &s
}

func currencyOf(m *money.Money) *string {
	if m == nil {
		return nil
	}
	code := m.Currency().Code()
	return &code
}
