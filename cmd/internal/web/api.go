package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/order-ledger/order-ledger/cmd/internal/api"
	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/projections/checkpoint"
	"github.com/order-ledger/order-ledger/projections/orders"
)

// What one token may ask of the order API. The rate is for fairness among tokens, far above what a
// merchant needs.
const (
	tokenCallsPerSecond = 2_000
	tokenCallsAtOnce    = 4_000
)

// orderAPI is the order API of a ledger, or nil when it must not be served: tokens would cross the
// network in clear.
func orderAPI(l *app.Ledger, at net.Addr) (*api.API, error) {
	tcp, ok := at.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	if l.Orders == nil {
		return nil, nil //nolint:nilnil // no API is an answer
	}
	if !loopback && !l.Settings.BehindProxy {
		l.Logger.Warn("the order API is not served: other machines would send their tokens in clear; put a proxy with TLS before it and say --http-behind-proxy",
			slog.String("address", at.String()))
		return nil, nil //nolint:nilnil // no API is an answer
	}
	tokens := auth.NewStore(l.Settings.TokensDir())
	known, err := tokens.List()
	if err != nil {
		return nil, fmt.Errorf("open tokens: %w", err)
	}
	return api.New(api.Config{
		Orders: l.Orders, Gateway: l.Reconciler, Views: views{l}, Tokens: tokens, Limits: auth.NewLimits(tokenCallsPerSecond, tokenCallsAtOnce),
		Development: loopback && !l.Settings.BehindProxy && len(known) == 0, Clock: time.Now, Logger: l.Logger,
		Account: func(gateway, account string) bool {
			_, ok := l.Accounts.Find(gateway, account)
			return ok
		},
	})
}

// DevelopmentToken is the order API's token for development; empty for none.
func (s *Server) DevelopmentToken() string {
	if s.api == nil {
		return ""
	}
	return s.api.DevelopmentToken()
}

func (s *Server) noAPI(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, http.StatusForbidden, "api_not_served",
		"The order API is served on loopback addresses, and elsewhere behind a proxy that speaks TLS: ledger serve --http-behind-proxy.")
}

// views are the views as the order API reads them.
type views struct{ ledger *app.Ledger }

// Read implements api.Views.
func (v views) Read(ctx context.Context, query func(context.Context, pgx.Tx) error) (position string, err error) {
	pool, err := v.ledger.Database.Pool()
	if pool == nil {
		return "", fmt.Errorf("%w: %w", api.ErrViewsAway, errors.Join(err))
	}
	if changed := v.ledger.Runner.Stale(); len(changed) > 0 {
		return "", fmt.Errorf("%w: another version of the ledger made them, and they are to be rebuilt", api.ErrViewsAway)
	}
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
