package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/push"
	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/commands/gateways/connectpay"
	"github.com/order-ledger/order-ledger/commands/gateways/decta"
	"github.com/order-ledger/order-ledger/commands/gateways/everifin"
	"github.com/order-ledger/order-ledger/commands/reconcile"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/projections"
	"github.com/order-ledger/order-ledger/projections/audit"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/freshness"
)

// What is kept in memory between notifications. Orders that are written again
// were mostly written a moment ago; more would cost the garbage collector more
// than it saves.
const (
	intakeOrders     = 5_000
	intakeReferences = 20_000
	projectorOrders  = 6_000
	projectorBytes   = 24 << 20
)

// Ledger is the whole: what takes notifications in, and what shows them.
type Ledger struct {
	Settings config.Settings
	Accounts config.Accounts
	Logger   *slog.Logger
	Store    *Store
	Intake   *commands.Intake
	// Orders carries out our own commands; nil in commands that serve nobody.
	Orders *commands.Orders
	// Settlements takes statements of gateways and banks in.
	Settlements *commands.Settlements
	Database    *Database
	Runner      *projections.Runner
	Auditor     *audit.Standing
	// Reconciler asks the gateways whose API is configured, and raises the alarms of all accounts.
	Reconciler *reconcile.Reconciler
	// Pusher delivers webhooks to the configured subscribers.
	Pusher *push.Pusher
	// WebhookSent is told of every attempt to deliver a webhook; set it before Watch.
	WebhookSent func(subscriber string, delivered bool)
	// Freshness measures how long it takes until what is written is visible.
	Freshness *freshness.Prober

	progress *progress
}

// Open opens the event store and prepares the rest; Run makes it work. The
// caller MUST Close it.
func Open(ctx context.Context, s config.Settings, logger *slog.Logger, say func(string)) (*Ledger, error) {
	accounts, err := config.LoadAccounts(s)
	if err != nil {
		return nil, err
	}
	if !s.Offline {
		if err := s.CheckHTTP(); err != nil {
			return nil, err
		}
	}
	store, err := OpenStore(s, logger)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		Settings: s, Accounts: accounts, Logger: logger, Store: store,
		Intake: commands.NewIntake(commands.IntakeConfig{
			Log: store, Logger: logger, CachedOrders: intakeOrders, CachedReferences: intakeReferences,
			Translators: []commands.Translator{decta.New(), everifin.New(), connectpay.New()},
			Confirm: func(gateway, name string) bool {
				account, ok := accounts.Find(gateway, name)
				return ok && account.Confirm
			},
		}),
		Database: NewDatabase(s, logger, say), progress: newProgress(),
	}
	l.Settlements = commands.NewSettlements(l.Intake)
	if !s.Offline {
		personal, err := openVault(ctx, s, store, logger)
		if err != nil {
			return nil, errors.Join(err, store.Close())
		}
		l.Orders = commands.NewOrders(l.Intake, personal)
	}
	l.Reconciler = reconcile.New(reconcile.Config{
		Creation: l.creation,
		Log:      store, Intake: l.Intake, Accounts: accounts.Watched(), Clock: time.Now, Logger: logger.With(slog.String("worker", "reconciler")),
	})
	if _, err := config.LoadChart(s); err != nil { // a mistake in the file is found before anything is served
		return nil, errors.Join(err, store.Close())
	}
	subscribers, err := config.LoadSubscribers(s)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	l.WebhookSent = func(string, bool) {}
	l.Pusher, err = push.New(push.Config{
		Log: store, Subscribers: subscribers, Clock: time.Now, Logger: logger.With(slog.String("worker", "webhooks")),
		Database: func() *pgxpool.Pool { pool, _ := l.Database.Pool(); return pool },
		Sent:     func(subscriber string, delivered bool) { l.WebhookSent(subscriber, delivered) },
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	own, err := Fingerprint()
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	var rebuildStale func(context.Context) error
	if s.RebuildIfNeeded {
		rebuildStale = l.RebuildStale
	}
	l.Runner, err = projections.NewRunner(projections.Config{
		Log: store, Rebuild: rebuildStale, Connect: l.Database.Connect, Logger: logger, Clock: time.Now,
		CachedOrders: projectorOrders, CacheBytes: projectorBytes, Fingerprint: own,
		OnBatch: func(b projections.Batch) { l.progress.committed(b.Position) },
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	l.Auditor = audit.NewStanding(audit.StandingConfig{
		Log: store, Logger: logger.With(slog.String("worker", "auditor")), Clock: time.Now, Interval: s.AuditInterval, Orders: s.AuditOrders,
		Database: func() audit.Database {
			pool, _ := l.Database.Pool()
			if pool == nil || len(l.Runner.Stale()) > 0 { // rows of another version differ, as is known
				return nil
			}
			return pool
		},
	})
	l.Freshness = freshness.New(freshness.Config{
		Log: store, Logger: logger.With(slog.String("worker", "freshness")), Clock: time.Now,
		Interval: s.CanaryInterval, StaleAfter: s.StaleAfter, Why: l.Runner.WhyHeldUp,
		Views: func() checkpoint.Querier {
			if pool, _ := l.Database.Pool(); pool != nil {
				return pool
			}
			return nil
		},
	})
	return l, nil
}

// openVault opens the keys of personal data for a ledger that serves: what a restore of keys that was cut off brought
// back is destroyed before anybody can ask for it. There is none when others sharing the event store have keys and the
// master key is not here: such a ledger takes everything but personal data.
func openVault(ctx context.Context, s config.Settings, store *Store, logger *slog.Logger) (commands.PersonalData, error) {
	erased, err := FinishRestore(ctx, s, store)
	if err != nil {
		return nil, fmt.Errorf("a restore of keys was cut off, and cannot be finished: %w", err)
	}
	if erased > 0 {
		logger.WarnContext(ctx, "a restore of keys was cut off: the keys of erased orders were destroyed again", slog.Int("orders", erased))
	}
	vault, _, err := OpenVault(ctx, s, store)
	if errors.Is(err, errOtherMaster) {
		logger.ErrorContext(ctx, "personal data is neither taken nor shown", slog.Any("error", err))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	keys, err := KeyStore(s, store)
	if err != nil {
		return nil, err
	}
	if place, held, err := keys.Elsewhere(ctx); err == nil && held {
		logger.InfoContext(ctx, "there are keys of personal data elsewhere than where new ones are made; they are found, and ledger keys move brings them together",
			slog.String("elsewhere", string(place)))
	}
	return vault, nil
}

// ReloadSubscribers reads who gets webhooks from the configuration once more, and serves them from now on. When
// the configuration is wrong everything stays as it is.
func (l *Ledger) ReloadSubscribers() error {
	subscribers, err := config.LoadSubscribers(l.Settings)
	if err != nil {
		return err
	}
	return l.Pusher.Configure(subscribers)
}

// Watch measures how fresh the views are and audits them until ctx ends: what a ledger does that
// serves, beside Run.
func (l *Ledger) Watch(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if l.Settings.CanaryInterval >= 0 {
		group.Go(func() error { return l.Freshness.Run(ctx) })
	}
	group.Go(func() error { return l.Reconciler.Run(ctx) })
	group.Go(func() error { return l.Pusher.Run(ctx) })
	group.Go(func() error { return l.Store.Scavenging(ctx, l.Settings.ScavengeInterval, l.Logger) })
	group.Go(func() error {
		if err := l.finishStatements(ctx); err != nil && ctx.Err() == nil {
			l.Logger.Error("statements whose import was interrupted are not finished; importing them again does that", slog.Any("error", err))
		}
		return nil
	})
	if l.Settings.AuditInterval >= 0 {
		group.Go(func() error { return l.Auditor.Run(ctx) })
	}
	return group.Wait()
}

// Run keeps database and projector working until ctx ends.
func (l *Ledger) Run(ctx context.Context) error {
	// The projector stops before its database does.
	databaseCtx, stopDatabase := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDatabase()
	group, groupCtx := errgroup.WithContext(ctx)
	databaseDone := make(chan error, 1)
	go func() { databaseDone <- l.Database.Run(databaseCtx) }()
	group.Go(func() error {
		select {
		case <-groupCtx.Done():
			return nil
		case err := <-databaseDone:
			databaseDone <- err
			return err
		}
	})
	group.Go(func() error { return l.Runner.Run(groupCtx) })
	err := group.Wait()
	stopDatabase()
	if databaseErr := <-databaseDone; err == nil {
		err = databaseErr
	}
	return err
}

// Close closes the event store.
func (l *Ledger) Close() error { return l.Store.Close() }

// LastProjected is the position of the last event in the log that the views
// show; false when there is none.
func (l *Ledger) LastProjected(ctx context.Context) (eventstore.Position, bool, error) {
	prefixes := projections.StreamPrefixes()
	for e, err := range l.Store.ReadAll(ctx, eventstore.AllRead{Direction: eventstore.Backwards}) {
		if err != nil {
			return eventstore.Position{}, false, err
		}
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(e.Stream, prefix) }) {
			return e.Position, true, nil
		}
	}
	return eventstore.Position{}, false, nil
}
