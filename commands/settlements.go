package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/domain/order"
	"github.com/order-ledger/order-ledger/domain/settlement"
	"github.com/order-ledger/order-ledger/eventstore"
)

const (
	// statementChunkLines is how many lines one event holds, and statementAppendBytes how much one append
	// does: less than every engine takes.
	statementChunkLines  = 250
	statementAppendBytes = eventstore.MaxAppendSize / 2
	// orderLinesMost is how many lines about one order are matched by one append; it sums no more up.
	orderLinesMost = 200
	// settlementWorkers match the orders of a statement side by side.
	settlementWorkers = 8
	// bookingWorkers book lines side by side: each is an append of its own, which the store commits together.
	bookingWorkers = 128
)

// Settlements takes statements in and matches them with orders. It needs the log alone, and is safe for use
// by many goroutines and processes: a statement counts once, whoever imports it how often, and an import
// that was interrupted is finished by the next, or by Finish.
//
//	StatementLinesRecorded… StatementImported │ matches, on the orders' streams, and bookings │ StatementMatched
//	what comes before this is no statement ───┘                                               └─ all lines were looked at
type Settlements struct{ in *Intake }

// Finish looks at the lines of a statement whose import was interrupted, in the name of who imported it. It says whether
// there was anything to do.
func (s *Settlements) Finish(ctx context.Context, id string) (bool, error) {
	stored, err := s.read(ctx, id)
	if err != nil || stored.imported == nil || stored.matched != nil {
		return false, err
	}
	_, err = s.match(ctx, stored, stored.actor)
	return err == nil, err
}

// NewSettlements shares locks and cache with the Intake.
func NewSettlements(in *Intake) *Settlements { return &Settlements{in: in} }

// SettlementReceipt says what came of a statement.
type SettlementReceipt struct {
	StatementID string `json:"statement_id"`
	// Known: the same statement was imported before, and nothing was written.
	Known      bool `json:"known"`
	Lines      int  `json:"lines"`
	Matched    int  `json:"matched"`
	Mismatched int  `json:"mismatched"`
	// Unmatched lines name no movement of ours. Payouts are compared between statements and are in no count.
	Unmatched int `json:"unmatched"`
	Payouts   int `json:"payouts"`
	// Position is that of the last event that was written; zero when nothing was.
	Position eventstore.Position `json:"-"`
}

// ErrStatementUnknown says that there is no statement with an id.
var ErrStatementUnknown = errors.New("there is no such statement")

// statementID is what settlement.Statement.ID makes.
var statementID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Import records a statement and matches its lines. The same statement again changes nothing.
func (s *Settlements) Import(ctx context.Context, statement *settlement.Statement, actor string) (SettlementReceipt, error) {
	imported, err := settlement.ImportedOf(statement)
	if err != nil {
		return SettlementReceipt{}, err
	}
	if receipt, known, err := s.importedEarlier(ctx, statement.Earlier, actor); err != nil || known {
		return receipt, err
	}
	for attempt := range appendAttemptsMax {
		stored, err := s.read(ctx, imported.StatementID)
		if err != nil {
			return SettlementReceipt{}, err
		}
		switch {
		case stored.matched != nil:
			receipt := stored.receipt()
			receipt.Known = true
			return receipt, nil
		case stored.imported != nil:
			return s.match(ctx, stored, actor)
		}
		err = s.record(ctx, stored, statement, imported, actor)
		var wrong *eventstore.WrongExpectedRevisionError
		if err != nil && !errors.As(err, &wrong) {
			return SettlementReceipt{}, err
		}
		if err != nil { // somebody else records it too
			if err := pause(ctx, attempt); err != nil {
				return SettlementReceipt{}, err
			}
		}
	}
	return SettlementReceipt{}, fmt.Errorf("record statement %s: %w: %d attempts lost against other writers",
		imported.StatementID, eventstore.ErrUnavailable, appendAttemptsMax)
}

// importedEarlier finds the statement as an earlier version took it in, and finishes that if it was interrupted: its money
// does not count again because it is read better now.
func (s *Settlements) importedEarlier(ctx context.Context, ids []string, actor string) (SettlementReceipt, bool, error) {
	for _, id := range ids {
		stored, err := s.read(ctx, id)
		switch {
		case err != nil:
			return SettlementReceipt{}, false, err
		case stored.matched != nil:
			receipt := stored.receipt()
			receipt.Known = true
			return receipt, true, nil
		case stored.imported != nil:
			receipt, err := s.match(ctx, stored, actor)
			return receipt, true, err
		}
	}
	return SettlementReceipt{}, false, nil
}

// Match looks at the lines of a statement again that do not match, as more may be known of their orders.
func (s *Settlements) Match(ctx context.Context, id, actor string) (SettlementReceipt, error) {
	if !statementID.MatchString(id) {
		return SettlementReceipt{}, fmt.Errorf("%w: %q", ErrStatementUnknown, id)
	}
	stored, err := s.read(ctx, id)
	if err != nil {
		return SettlementReceipt{}, err
	}
	if stored.imported == nil {
		return SettlementReceipt{}, fmt.Errorf("%w: %q", ErrStatementUnknown, id)
	}
	return s.match(ctx, stored, actor)
}

// storedStatement is a statement as its stream tells it.
type storedStatement struct {
	id       string
	lines    []settlement.Line
	imported *settlement.Imported
	actor    string // who imported it
	matched  *settlement.StatementMatched
	// strangers are the reasons of lines that belong to no order, by number.
	strangers map[int]settlement.Reason
	events    uint64
}

func (st *storedStatement) expected() eventstore.ExpectedRevision {
	if st.events == 0 {
		return eventstore.NoStream
	}
	return eventstore.Revision(st.events - 1)
}

func (st *storedStatement) receipt() SettlementReceipt {
	r := SettlementReceipt{StatementID: st.id, Lines: len(st.lines)}
	for i := range st.lines {
		if st.lines[i].Kind.OfPayout() {
			r.Payouts++
		}
	}
	if m := st.matched; m != nil {
		r.Matched, r.Mismatched, r.Unmatched = m.Matched, m.Mismatched, m.Unmatched
	}
	return r
}

func (s *Settlements) read(ctx context.Context, id string) (*storedStatement, error) {
	st := &storedStatement{id: id, strangers: make(map[int]settlement.Reason)}
	for ev, err := range s.in.log.ReadStream(ctx, settlement.Stream(id), eventstore.StreamRead{}) {
		if errors.Is(err, eventstore.ErrStreamNotFound) {
			return st, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read statement %s: %w", id, err)
		}
		if err := st.apply(&ev); err != nil {
			return nil, fmt.Errorf("read statement %s: %s at revision %d: %w", id, ev.Type, ev.Revision, err)
		}
		st.events = ev.Revision + 1
	}
	return st, nil
}

func (st *storedStatement) apply(ev *eventstore.RecordedEvent) error {
	switch ev.Type {
	case settlement.LinesRecordedType:
		var e settlement.LinesRecorded
		if err := json.Unmarshal(ev.Data, &e); err != nil {
			return err
		}
		if e.From != len(st.lines) {
			return fmt.Errorf("lines from %d follow %d lines", e.From, len(st.lines))
		}
		st.lines = append(st.lines, e.Lines...)
	case settlement.StatementImportedType:
		st.imported = new(settlement.Imported)
		var m order.Metadata
		err := errors.Join(json.Unmarshal(ev.Data, st.imported), json.Unmarshal(ev.Metadata, &m))
		st.actor = m.Actor
		return err
	case settlement.StatementMatchedType:
		st.matched = new(settlement.StatementMatched)
		return json.Unmarshal(ev.Data, st.matched)
	default:
		event, _, err := order.Decode(ev.Type, ev.Data, ev.Metadata)
		if err != nil {
			return err
		}
		if e, ok := event.(order.SettlementMismatchFlagged); ok {
			st.strangers[e.Line] = e.Reason
		}
	}
	return nil
}

// event makes an event of the statement's stream.
func (s *Settlements) event(st *storedStatement, header *settlement.Header, eventType, key, actor string, payload any) (eventstore.EventData, error) {
	now := s.in.clock().UTC().Truncate(time.Microsecond)
	data, err := json.Marshal(payload)
	if err != nil {
		return eventstore.EventData{}, fmt.Errorf("encode %s: %w", eventType, err)
	}
	metadata, err := json.Marshal(order.Metadata{
		LedgerID: s.in.ids.next(now), Schema: 1, OccurredAt: now, OccurredAtBasis: order.BasisOperator, RecordedAt: now,
		Source: header.Gateway, SourceAccount: header.Account, Actor: actor,
	})
	if err != nil {
		return eventstore.EventData{}, fmt.Errorf("encode the envelope of %s: %w", eventType, err)
	}
	return eventstore.EventData{ID: settlement.EventID(st.id, eventType, key), Type: eventType, JSON: true, Data: data, Metadata: metadata}, nil
}

// record appends the lines that are not there yet, and then that the statement is complete. A small one is
// one append.
func (s *Settlements) record(ctx context.Context, st *storedStatement, statement *settlement.Statement, imported settlement.Imported, actor string) error {
	var events []eventstore.EventData
	for from := len(st.lines); from < len(statement.Lines); from += statementChunkLines {
		part := statement.Lines[from:min(from+statementChunkLines, len(statement.Lines))]
		e, err := s.event(st, &statement.Header, settlement.LinesRecordedType, strconv.Itoa(from), actor,
			settlement.LinesRecorded{StatementID: st.id, From: from, Lines: part})
		if err != nil {
			return err
		}
		events = append(events, e)
	}
	e, err := s.event(st, &statement.Header, settlement.StatementImportedType, "", actor, imported)
	if err != nil {
		return err
	}
	_, err = s.append(ctx, st, append(events, e))
	return err
}

// append writes events to the statement's stream, in as many appends as they need.
func (s *Settlements) append(ctx context.Context, st *storedStatement, events []eventstore.EventData) (eventstore.Position, error) {
	var at eventstore.Position
	for len(events) > 0 {
		n := 1
		for n < len(events) && eventstore.AppendSize(events[:n+1]) <= statementAppendBytes {
			n++
		}
		result, err := s.in.log.Append(ctx, settlement.Stream(st.id), st.expected(), events[:n]...)
		if err != nil {
			return at, fmt.Errorf("append to statement %s: %w", st.id, err)
		}
		st.events, at = result.Revision+1, result.Position
		events = events[n:]
	}
	return at, nil
}

// match looks at all lines that do not match yet.
func (s *Settlements) match(ctx context.Context, st *storedStatement, actor string) (SettlementReceipt, error) {
	for attempt := range appendAttemptsMax {
		receipt, err := s.tryMatch(ctx, st, actor)
		var wrong *eventstore.WrongExpectedRevisionError
		if !errors.As(err, &wrong) {
			return receipt, err
		}
		if err := pause(ctx, attempt); err != nil {
			return SettlementReceipt{}, err
		}
		if st, err = s.read(ctx, st.id); err != nil {
			return SettlementReceipt{}, err
		}
	}
	return SettlementReceipt{}, fmt.Errorf("match statement %s: %w: %d attempts lost against other writers",
		st.id, eventstore.ErrUnavailable, appendAttemptsMax)
}

func (s *Settlements) tryMatch(ctx context.Context, st *storedStatement, actor string) (SettlementReceipt, error) {
	groups, strangers, err := s.attribute(ctx, st)
	if err != nil {
		return SettlementReceipt{}, err
	}
	if err := s.bookedLines(ctx, st, groups, strangers); err != nil {
		return SettlementReceipt{}, err
	}
	reasons, err := s.matchOrders(ctx, st, groups, actor)
	if err != nil {
		return SettlementReceipt{}, err
	}
	if err := s.book(ctx, st, strangers, reasons, actor); err != nil {
		return SettlementReceipt{}, err
	}
	var events []eventstore.EventData
	for i, reason := range strangers {
		if reason == "" {
			continue
		}
		reasons[i] = reason
		line := &st.lines[i]
		if st.strangers[line.Number] == reason {
			continue // said before
		}
		e, err := s.event(st, &st.imported.Header, order.SettlementMismatchFlagged{}.EventType(), strconv.Itoa(line.Number)+":"+string(reason), actor,
			order.SettlementMismatchFlagged{
				StatementID: st.id, Line: line.Number, Kind: line.Kind, Reason: reason, Reference: line.Reference(), Amount: line.Gross, ValueDate: line.ValueDate,
			})
		if err != nil {
			return SettlementReceipt{}, err
		}
		events = append(events, e)
	}
	now := settlement.StatementMatched{StatementID: st.id, Pass: 1}
	if st.matched != nil {
		now.Pass = st.matched.Pass + 1
	}
	for i := range st.lines {
		switch {
		case st.lines[i].Kind.OfPayout():
		case reasons[i] == "":
			now.Matched++
		case settlement.StatusOf(reasons[i]) == settlement.Mismatch:
			now.Mismatched++
		default:
			now.Unmatched++
		}
	}
	if last := st.matched; last != nil && len(events) == 0 && last.Matched == now.Matched && last.Mismatched == now.Mismatched && last.Unmatched == now.Unmatched {
		receipt := st.receipt()
		receipt.Known = true
		return receipt, nil
	}
	e, err := s.event(st, &st.imported.Header, settlement.StatementMatchedType, strconv.Itoa(now.Pass), actor, now)
	if err != nil {
		return SettlementReceipt{}, err
	}
	at, err := s.append(ctx, st, append(events, e))
	if err != nil {
		return SettlementReceipt{}, err
	}
	st.matched = &now
	receipt := st.receipt()
	receipt.Position = at
	return receipt, nil
}

// attribute finds the orders of lines: the indexes of the lines by order, and for lines of none the reason.
func (s *Settlements) attribute(ctx context.Context, st *storedStatement) (map[link][]int, []settlement.Reason, error) {
	targets, strangers := make([]link, len(st.lines)), make([]settlement.Reason, len(st.lines))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(settlementWorkers)
	part := max(1, (len(st.lines)+settlementWorkers-1)/settlementWorkers)
	for first := 0; first < len(st.lines); first += part {
		group.Go(func() error {
			for i := first; i < min(first+part, len(st.lines)); i++ {
				if st.lines[i].Kind.OfPayout() {
					continue
				}
				var err error
				if targets[i], strangers[i], err = s.orderOf(ctx, &st.imported.Header, &st.lines[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	groups := make(map[link][]int)
	for i, target := range targets {
		if target.OrderID != "" {
			groups[target] = append(groups[target], i)
		}
	}
	return groups, strangers, nil
}

// orderOf finds the order that a line names, or why there is none.
func (s *Settlements) orderOf(ctx context.Context, h *settlement.Header, l *settlement.Line) (link, settlement.Reason, error) {
	if len(l.References) == 0 {
		return link{}, settlement.NoReference, nil
	}
	for _, ref := range l.References {
		for _, stream := range []string{
			order.ReferenceStream(h.Gateway, order.ReferencePayment, ref), order.ReferenceStream(h.Gateway, order.ReferenceOrder, ref),
			order.ReferenceStream(h.Gateway, order.ReferenceMerchant, h.Account+"/"+ref),
		} {
			target, found, err := s.in.references.lookUp(ctx, stream)
			if err != nil {
				return link{}, "", err
			}
			if found {
				return judged(target, h.Account, l.Kind)
			}
		}
		target, found, err := s.in.references.byOurID(ctx, Notification{Gateway: h.Gateway, Account: h.Account}, ref)
		if err != nil {
			return link{}, "", err
		}
		if found {
			return judged(target, h.Account, l.Kind)
		}
	}
	return link{}, settlement.UnknownReference, nil
}

func judged(target link, account string, kind settlement.Kind) (link, settlement.Reason, error) {
	switch {
	case target.Account != account:
		return link{}, settlement.OtherAccount, nil
	case target.Category == order.CategoryPayout && kind.OfPayoutOrder():
	case target.Category != order.CategoryOrder:
		return link{}, settlement.NotCollecting, nil
	}
	target.minted = false
	return target, "", nil
}

// matchOrders matches the lines of each order, and returns why lines do not match: by index, empty for those
// that do.
func (s *Settlements) matchOrders(ctx context.Context, st *storedStatement, groups map[link][]int, actor string) ([]settlement.Reason, error) {
	reasons := make([]settlement.Reason, len(st.lines))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(settlementWorkers)
	for target, indexes := range groups {
		group.Go(func() error {
			var state order.State
			for part := range slices.Chunk(indexes, orderLinesMost) {
				cmd := order.MatchSettlement{StatementID: st.id, Window: settlement.Window(st.imported.Days), At: s.in.clock().UTC()}
				for _, i := range part {
					cmd.Lines = append(cmd.Lines, st.lines[i])
				}
				var err error
				if state, err = s.matchOrder(ctx, target, cmd, actor); err != nil {
					return fmt.Errorf("match statement %s with order %s: %w", st.id, target.OrderID, err)
				}
			}
			for _, i := range indexes {
				matched, reason := state.SettlementOf(st.id, st.lines[i].Number)
				if !matched && reason == "" {
					return fmt.Errorf("match statement %s with order %s: nothing is said of line %d", st.id, target.OrderID, st.lines[i].Number)
				}
				reasons[i] = reason
			}
			return nil
		})
	}
	return reasons, group.Wait()
}

func (s *Settlements) matchOrder(ctx context.Context, target link, cmd order.MatchSettlement, actor string) (order.State, error) {
	if _, err := s.in.execute(ctx, target, cmd, "settlement:"+cmd.StatementID, actor); err != nil {
		return order.State{}, err
	}
	defer s.in.orders.lock(target.OrderID)()
	state, err := s.in.load(ctx, target)
	if err != nil {
		return order.State{}, err
	}
	return state.Clone(), nil
}
