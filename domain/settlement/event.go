package settlement

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/domain/money"
)

// Names of the streams and events of statements. What a line matches stands on the stream of its order.
const (
	StreamPrefix          = "settlement-"
	LinesRecordedType     = "StatementLinesRecorded"
	StatementImportedType = "StatementImported"
	StatementMatchedType  = "StatementMatched"
)

// Stream is the stream of the statement with an ID.
func Stream(id string) string { return StreamPrefix + id }

// LinesRecorded is a part of a statement's lines. They count once the StatementImported that follows the
// last of them is there.
type LinesRecorded struct {
	StatementID string `json:"statement_id"`
	// From is the index of the first of the lines within the statement, from 0.
	From  int    `json:"from"`
	Lines []Line `json:"lines"`
}

// Imported says that a statement was taken in, as a whole.
type Imported struct {
	Header

	StatementID string `json:"statement_id"`
	Lines       int    `json:"lines"`
	// FirstDate and LastDate are the earliest and latest value dates; empty without lines.
	FirstDate string `json:"first_date,omitempty"`
	LastDate  string `json:"last_date,omitempty"`
	Sums      []Sum  `json:"sums,omitempty"`
}

// Sum is what the lines of one kind and currency add up to.
type Sum struct {
	Kind  Kind         `json:"kind"`
	Lines int          `json:"lines"`
	Gross money.Money  `json:"gross"`
	Fee   *money.Money `json:"fee,omitempty"`
}

// StatementMatched says that every line of a statement was looked at, and what came of it by then.
type StatementMatched struct {
	StatementID string `json:"statement_id"`
	// Pass counts the times, from 1.
	Pass       int `json:"pass"`
	Matched    int `json:"matched"`
	Mismatched int `json:"mismatched"`
	Unmatched  int `json:"unmatched"`
}

// eventNamespace makes the ids of events of statements unlike any other UUIDv5. It must never change.
var eventNamespace = uuid.UUID{0x73, 0x65, 0x74, 0x74, 0x6c, 0x65, 0x4d, 0x45, 0x8e, 0x54, 0x2d, 0x6c, 0x65, 0x64, 0x67, 0x31}

// EventID is the UUIDv5 of what an event of a statement means.
func EventID(statementID, eventType, key string) uuid.UUID {
	return uuid.NewSHA1(eventNamespace, []byte(statementID+"|"+eventType+"|"+key))
}

// ImportedOf sums a statement up. Its only error is that amounts are too large to be added.
func ImportedOf(s *Statement) (Imported, error) {
	e := Imported{Header: s.Header, StatementID: s.ID(), Lines: len(s.Lines)}
	for i := range s.Lines {
		l := &s.Lines[i]
		if e.FirstDate == "" || l.ValueDate < e.FirstDate {
			e.FirstDate = l.ValueDate
		}
		e.LastDate = max(e.LastDate, l.ValueDate)
		if err := e.add(l); err != nil {
			return e, fmt.Errorf("line %d: %w", l.FileLine, err)
		}
	}
	return e, nil
}

func (e *Imported) add(l *Line) error {
	i := 0
	for i < len(e.Sums) && (e.Sums[i].Kind != l.Kind || e.Sums[i].Gross.Currency() != l.Gross.Currency()) {
		i++
	}
	if i == len(e.Sums) {
		e.Sums = append(e.Sums, Sum{Kind: l.Kind, Gross: money.Zero(l.Gross.Currency())})
	}
	sum := &e.Sums[i]
	var err error
	if sum.Gross, err = sum.Gross.Add(l.Gross); err != nil {
		return err
	}
	sum.Lines++
	if l.Fee == nil {
		return nil
	}
	fees := money.Zero(l.Gross.Currency())
	if sum.Fee != nil {
		fees = *sum.Fee
	}
	if fees, err = fees.Add(*l.Fee); err != nil {
		return err
	}
	sum.Fee = &fees
	return nil
}
