package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/cmd/internal/advice"
	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/fingerprint"
	"github.com/order-ledger/order-ledger/projections/orders"
)

// orderAPI is the order API of a ledger. owner is the token in its data directory.
func orderAPI(l *app.Ledger, at net.Addr, owner string) (*api.API, error) {
	tcp, ok := at.(*net.TCPAddr)
	open := ok && tcp.IP.IsLoopback() && !l.Settings.BehindProxy
	tokens := auth.NewStore(l.Settings.TokensDir())
	known, err := tokens.List()
	if err != nil {
		return nil, fmt.Errorf("open tokens: %w", err)
	}
	access, err := config.LoadAccess(l.Settings)
	if err != nil {
		return nil, err
	}
	var issuers *auth.OIDC
	if len(access.Issuers) > 0 {
		issuers = auth.NewOIDC(time.Now, access.Issuers...)
	}
	return api.New(api.Config{
		Orders: l.Orders, Gateway: l.Reconciler, Views: views{l}, Tokens: tokens, Limits: auth.NewLimits(access.PerSecond, access.Burst), OIDC: issuers,
		Development: open && len(known) == 0, Open: open, Owner: owner, Clock: time.Now, Logger: l.Logger,
		Choices: func(gateway, account string) advice.Choices {
			known, _ := l.Accounts.Find(gateway, account)
			return known.Advice
		},
		Account: func(gateway, account string) bool {
			_, ok := l.Accounts.Find(gateway, account)
			return ok
		},
	})
}

// DevelopmentToken is the order API's token for development; empty for none.
func (s *Server) DevelopmentToken() string { return s.api.DevelopmentToken() }

// actor is who does something: whoever the token is of, or, when it is the owner's, who the owner says.
func actor(r *http.Request, said string) string {
	if who, ok := api.Caller(r.Context()); ok && !api.IsOwner(who) {
		return who.Name
	}
	return said
}

// byOwner tells whether a request came with the token in the data directory.
func byOwner(r *http.Request) bool {
	who, ok := api.Caller(r.Context())
	return ok && api.IsOwner(who)
}

// views are the views as the order API reads them.
type views struct{ ledger *app.Ledger }

// Read implements api.Views.
func (v views) Read(ctx context.Context, query func(context.Context, pgx.Tx) error) (position string, err error) {
	pool, err := v.ledger.Database.Pool()
	if pool == nil {
		return "", fmt.Errorf("%w: %w", api.ErrViewsAway, errors.Join(err))
	}
	if !v.ledger.Runner.Recognised() {
		return "", fmt.Errorf("%w: %w", api.ErrViewsAway, errNotRecognised)
	}
	if changed := v.ledger.Runner.Stale(); len(changed) > 0 {
		return "", &api.StaleViewsError{Changed: fingerprint.Describe(changed)}
	}
	ctx, cancel := context.WithTimeout(ctx, viewsTimeout)
	defer cancel()
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		at, err := checkpoint.Read(ctx, tx)
		if err != nil {
			return err
		}
		if at.Known {
			position = at.Position.String()
		}
		return query(ctx, tx)
	})
	var failure *pgconn.PgError
	if err != nil && !errors.As(err, &failure) && !errors.Is(err, orders.ErrNotFound) {
		err = fmt.Errorf("%w: %w", api.ErrViewsAway, err)
	}
	return position, err
}
