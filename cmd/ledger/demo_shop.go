package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/auth"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/cmd/internal/demo"
	"github.com/order-ledger/order-ledger/cmd/internal/web"
)

// openShop starts stand-ins of the gateways and lets the ledger know their accounts. A ledger with a
// configuration of its own, or one that others reach, has no shop: nil.
func (c *cli) openShop(ctx context.Context) (*demo.Shop, error) {
	if c.settings.File != "" {
		c.say("  · with a configuration of yours there are no orders through the order API")
		return nil, nil
	}
	if loopback, err := config.IsLoopback(c.settings.HTTP); err != nil || !loopback {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Join(c.settings.DataDir, "shop"))
	if err == nil {
		err = app.MakeDataDir(c.settings)
	}
	if err != nil {
		return nil, err
	}
	shop, err := demo.OpenShop(ctx, dir)
	if err != nil {
		return nil, err
	}
	c.settings.File = shop.Config()
	c.say("  · stand-ins of the gateways at %s", shop.Site())
	return shop, nil
}

// shopToken is a token of the order API: the one for development, or else one of its own, which release
// revokes.
func (c *cli) shopToken(server *web.Server) (token string, release func() error, err error) {
	if token := server.DevelopmentToken(); token != "" {
		return token, func() error { return nil }, nil
	}
	store := auth.NewStore(c.settings.TokensDir())
	secret, t, err := store.Create("demo", auth.Scopes(), time.Now())
	if err != nil {
		return "", nil, fmt.Errorf("make a token of the order API: %w", err)
	}
	return secret, func() error { _, err := store.Revoke(t.ID, time.Now()); return err }, nil
}

// trade lets the shop sell, and tells each order's story.
func (c *cli) trade(ctx context.Context, shop *demo.Shop, server *web.Server) (stories []demo.Story, err error) {
	if shop == nil {
		return nil, nil
	}
	token, release, err := c.shopToken(server)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	c.say("\nA shop's day: orders issued through the order API, paid at stand-ins of the gateways")
	return shop.Trade(ctx, server.URL(), token, func(s demo.Story) {
		c.say("  %-10s  %-14s  %s", s.Gateway, s.Title, strings.Join(s.Plot, " → "))
	})
}

// shopSQL is what became of the orders of the shop.
const shopSQL = `select order_id as "order", amount_due::text as due, gross_paid::text as paid, (refunded + dispute_held + dispute_lost)::text as "taken back", coalesce(nullif(lifecycle, 'OPEN'), payment_state) as state
	from ledger.orders where order_id = any($1) order by order_id`

func orderIDs(stories []demo.Story) []string {
	ids := make([]string, len(stories))
	for i, s := range stories {
		ids[i] = s.OrderID
	}
	return ids
}

// shopFurther says how to buy something oneself.
func (c *cli) shopFurther(shop *demo.Shop, server *web.Server) {
	if shop == nil || server.DevelopmentToken() == "" {
		return
	}
	c.say("\nSell something yourself; its full_page_checkout opens in a browser, where you pay:")
	c.say("  curl -s %s/orders/ -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \\", server.URL(), server.DevelopmentToken())
	c.say(`    -d '{"gateway":"everifin","account":"%s","products":[{"title":"Kettle","price":"39.90"}]}'`, demo.ShopAccount)
}
