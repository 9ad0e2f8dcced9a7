package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/domain/order"
)

// EraseRequest says whose personal data is to be erased: exactly one of Order and Subject.
type EraseRequest struct {
	// Order is our id, the gateway's, or the merchant's reference.
	Order string `json:"order,omitempty"`
	// Subject is a text of the sealed data, such as an e-mail address: all orders that hold it.
	Subject string `json:"subject,omitempty"`
	Actor   string `json:"actor" required:"false" doc:"Who says so; a token with the scope operations speaks for its own name."`
}

// EraseAnswer is what was erased.
type EraseAnswer struct {
	Receipts []privacy.Receipt `json:"receipts"`
	// PublicKey verifies the receipts' signatures (Ed25519).
	PublicKey []byte `json:"public_key"`
}

// Validate tells whether the request says clearly what it wants.
func (r *EraseRequest) Validate() error {
	switch {
	case r.Actor == "":
		return errors.New("say who erases: --actor NAME")
	case (r.Order == "") == (r.Subject == ""):
		return errors.New("erase what: an order, or all orders of a --subject")
	}
	return nil
}

// Run erases. rows may be nil, when there is no database.
func (r *EraseRequest) Run(ctx context.Context, s config.Settings, log *Store, intake *commands.Intake, accounts config.Accounts, rows privacy.Rows) (EraseAnswer, error) {
	vault, sign, err := OpenVault(s)
	if err != nil {
		return EraseAnswer{}, err
	}
	eraser := &privacy.Eraser{Vault: vault, Log: log, Intake: intake, Rows: rows, Sign: sign, Clock: time.Now}
	var targets []privacy.Target
	if r.Subject != "" {
		targets, err = eraser.OrdersOf(ctx, r.Subject)
	} else {
		var stream string
		if stream, err = ResolveStream(ctx, log, accounts, r.Order); err == nil {
			category, id, ok := order.ParseStreamName(stream)
			if !ok {
				err = fmt.Errorf("%s is no order", stream)
			}
			targets = []privacy.Target{{Category: category, OrderID: id}}
		}
	}
	if err != nil {
		return EraseAnswer{}, err
	}
	receipts, err := eraser.Erase(ctx, r.Actor, targets...)
	return EraseAnswer{Receipts: receipts, PublicKey: sign[len(sign)-32:]}, err
}

// RowSearch searches all tables of the ledger, copies that wait to be swapped in or are kept included.
type RowSearch struct {
	DB interface {
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	}
}

// Search implements privacy.Rows.
func (s RowSearch) Search(ctx context.Context, texts []string) (searched int64, found []privacy.Leftover, err error) {
	rows, err := s.DB.Query(ctx, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname LIKE 'ledger%' ORDER BY 1`)
	if err != nil {
		return 0, nil, fmt.Errorf("list tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, nil, fmt.Errorf("list tables: %w", err)
	}
	for _, table := range tables {
		var all, hits int64
		err := s.DB.QueryRow(ctx, "SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM unnest($1::text[]) secret "+
			"WHERE strpos(t::text, secret) > 0)) FROM "+table+" t", texts).Scan(&all, &hits)
		if err != nil {
			return searched, found, fmt.Errorf("search %s: %w", table, err)
		}
		searched += all
		if hits > 0 {
			found = append(found, privacy.Leftover{Table: table, Rows: hits})
		}
	}
	return searched, found, nil
}
