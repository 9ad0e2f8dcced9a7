package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/export"
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
	// Exports are folders of the ledger's machine whose files are searched too, besides what the log says was
	// exported.
	Exports []string `json:"exports,omitempty"`
	Actor   string   `json:"actor" required:"false" doc:"Who says so; a token with the scope operations speaks for its own name."`
}

// EraseAnswer is what was erased.
type EraseAnswer struct {
	Receipts []privacy.Receipt `json:"receipts"`
	// Lost are orders whose keys were lost or damaged: nobody can tell whether they name the subject.
	Lost []string `json:"lost,omitempty"`
	// PublicKey verifies the receipts' signatures (Ed25519).
	PublicKey []byte `json:"public_key"`
}

// Validate tells whether the request says clearly what it wants.
func (r *EraseRequest) Validate() error {
	switch {
	case r.Actor == "":
		return errors.New("say who erases: --actor NAME")
	case slices.ContainsFunc(r.Exports, func(dir string) bool { return !filepath.IsAbs(dir) }):
		return errors.New("folders of exports are absolute paths")
	case (r.Order == "") == (r.Subject == ""):
		return errors.New("erase what: an order, or all orders of a --subject")
	}
	return nil
}

// Run erases. rows may be nil, when there is no database.
func (r *EraseRequest) Run(ctx context.Context, s config.Settings, log *Store, intake *commands.Intake, accounts config.Accounts, rows privacy.Rows) (EraseAnswer, error) {
	vault, sign, err := OpenVault(ctx, s, log)
	if err != nil {
		return EraseAnswer{}, err
	}
	here, away, err := KnownExports(ctx, log)
	if err != nil {
		return EraseAnswer{}, err
	}
	eraser := &privacy.Eraser{
		Vault: vault, Log: log, Intake: intake, Rows: rows, Files: ExportSearch(append(here, r.Exports...)), OutOfReach: away, Sign: sign, Clock: time.Now,
	}
	var targets []privacy.Target
	var lost []string
	if r.Subject != "" {
		targets, lost, err = eraser.OrdersOf(ctx, r.Subject)
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
	if slices.ContainsFunc(receipts, func(r privacy.Receipt) bool { return r.Hidden > 0 }) {
		log.keysHidden()
	}
	return EraseAnswer{Receipts: receipts, Lost: lost, PublicKey: sign[len(sign)-32:]}, err
}

// RowSearch reads all tables of the ledger, copies that wait to be swapped in or are kept included.
type RowSearch struct {
	DB interface {
		Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	}
}

// Each implements privacy.Rows.
func (s RowSearch) Each(ctx context.Context, visit func(table string, row []byte)) error {
	rows, err := s.DB.Query(ctx, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname LIKE 'ledger%' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1`)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	for _, table := range tables {
		rows, err := s.DB.Query(ctx, "SELECT to_json(t)::text FROM "+table+" t")
		if err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		var row []byte
		if _, err := pgx.ForEachRow(rows, []any{&row}, func() error { visit(table, row); return nil }); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
	}
	return nil
}

// ExportSearch reads files that exports were written to, and those in folders. What is no file or folder, such as a
// link to somewhere else, counts as unread.
type ExportSearch []string

// errNoFile says that an entry of a folder has no content to search.
var errNoFile = errors.New("it is neither a file nor a folder")

// Each implements privacy.Files. A file that is in several of the folders is visited once.
func (dirs ExportSearch) Each(ctx context.Context, visit func(file string, texts iter.Seq2[[]byte, error])) error {
	seen := map[string]bool{}
	for _, dir := range dirs {
		root, err := filepath.EvalSymlinks(dir) // WalkDir does not follow a link, not even the one it is given
		if err != nil {
			return fmt.Errorf("read exports in %s: %w", dir, err)
		}
		err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil && entry != nil { // a folder that cannot be read, or is gone by now, keeps nobody's data from being erased
				unread := err
				visit(path, func(yield func([]byte, error) bool) { yield(nil, unread) })
				err = fs.SkipDir
			}
			if err == nil {
				err = ctx.Err()
			}
			switch {
			case err != nil || seen[path]:
			case entry.Type().IsRegular():
				visit(path, export.Texts(path))
			case !entry.IsDir():
				visit(path, func(yield func([]byte, error) bool) { yield(nil, errNoFile) })
			}
			seen[path] = err == nil && !entry.IsDir()
			return err
		})
		if err != nil {
			return fmt.Errorf("read exports in %s: %w", dir, err)
		}
	}
	return nil
}
