package demo

import (
	"context"
	"fmt"
	"path"

	"github.com/order-ledger/order-ledger/commands/gateways/fakegateway"
	"github.com/order-ledger/order-ledger/domain/money"
)

// tale is an order of the shop while it is told of. The first error ends it.
type tale struct {
	ctx   context.Context
	shop  *Shop
	story Story
	ref   string // the gateway's name for what the customer pays
	err   error
}

// plot is what happens to an order that was issued.
type plot struct {
	gateway, title, price string
	hold                  bool
	goes                  func(*tale)
}

func plots() []plot {
	return []plot{
		{gateway: fakegateway.Decta, title: "Kettle", price: "79.80", goes: func(t *tale) {
			t.pays()
			t.act("refunds", `20.00`, "20.00 refunded")
			t.dispute("chargeback", "59.80", "0.00", "chargeback of the rest")
			t.disputed("represent", map[string]any{}, "contested")
			t.disputed("resolve", map[string]any{"outcome": "won"}, "won")
		}},
		{gateway: fakegateway.Decta, title: "Two nights", price: "240.00", hold: true, goes: func(t *tale) {
			t.gateways("held", t.shop.fake.Pay)
			t.act("capture", `190.00`, "190.00 captured, the rest released")
		}},
		{gateway: fakegateway.Decta, title: "Concert ticket", price: "65.00", goes: func(t *tale) {
			t.gateways("declined", t.shop.fake.Decline)
			t.pays()
			t.dispute("chargeback", "65.00", "0.00", "chargeback")
			t.disputed("accept", map[string]any{}, "given up")
		}},
		{gateway: fakegateway.Decta, title: "Garden bench", price: "149.00", goes: func(t *tale) {
			t.act("cancel", "", "cancelled unpaid")
		}},
		{gateway: fakegateway.Everifin, title: "Groceries", price: "48.20", goes: func(t *tale) {
			t.pays()
			t.act("amount", `61.70`, "more added, 13.50 still due")
		}},
		{gateway: fakegateway.Everifin, title: "Bicycle", price: "890.00", goes: func(t *tale) {
			t.pays()
			t.act("refunds", `90.00`, "refund of 90.00 under way")
			t.gateways("and booked", t.shop.fake.FinishRefunds)
		}},
		{gateway: fakegateway.Everifin, title: "Lamp", price: "35.00", goes: func(t *tale) {
			t.act("withdraw", "", "withdrawn")
		}},
		{gateway: fakegateway.ConnectPay, title: "Course", price: "320.00", goes: func(t *tale) {
			t.pays()
			t.turns("Settled", "settled")
			t.act("refunds", "", "refund under way")
			t.gateways("and done", t.shop.fake.FinishRefunds)
		}},
		{gateway: fakegateway.ConnectPay, title: "Headphones", price: "119.00", goes: func(t *tale) {
			t.pays()
			t.act("refunds", `19.00`, "refund of 19.00 under way")
			t.gateways("and declined", t.shop.fake.FailRefunds)
		}},
	}
}

// Trade sells through a ledger that was opened with the shop's configuration: each order is issued by the
// order API, paid by its customer at the gateway, and acted on. tell hears of each order as it ends.
func (s *Shop) Trade(ctx context.Context, ledger, token string, tell func(Story)) ([]Story, error) {
	s.ledger, s.token = ledger, token
	var stories []Story
	for _, p := range plots() {
		t := &tale{ctx: ctx, shop: s, story: Story{Gateway: p.gateway, Title: p.title}}
		if t.issue(p); t.err == nil {
			p.goes(t)
		}
		if t.err != nil {
			return stories, fmt.Errorf("order of a %s through %s: %w", p.title, p.gateway, t.err)
		}
		stories = append(stories, t.story)
		tell(t.story)
	}
	return stories, nil
}

func (t *tale) issue(p plot) {
	var issued struct {
		ID       string `json:"id"`
		Checkout string `json:"full_page_checkout"`
	}
	t.err = t.shop.call(t.ctx, "/orders/", map[string]any{
		"gateway": p.gateway, "account": ShopAccount, "client": map[string]any{"email": "kim@example.com"},
		"products":     []any{map[string]any{"title": p.title, "price": p.price}},
		"skip_capture": p.hold,
	}, &issued)
	t.story.OrderID, t.ref = issued.ID, path.Base(issued.Checkout)
	t.story.Plot = append(t.story.Plot, "issued")
}

// gateways lets something happen at the gateway.
func (t *tale) gateways(what string, do func(context.Context, string) error) {
	if t.err == nil {
		t.err = do(t.ctx, t.ref)
	}
	t.story.Plot = append(t.story.Plot, what)
}

func (t *tale) pays() { t.gateways("paid", t.shop.fake.Pay) }

func (t *tale) turns(status, what string) {
	t.gateways(what, func(ctx context.Context, ref string) error { return t.shop.fake.Turn(ctx, ref, status, "") })
}

func (t *tale) dispute(status, taken, returned, what string) {
	t.gateways(what, func(ctx context.Context, ref string) error {
		return t.shop.fake.Dispute(ctx, ref, status, money.MustParse(taken, "EUR"), money.MustParse(returned, "EUR"))
	})
}

// act asks the order API for an action, of an amount unless it is empty.
func (t *tale) act(action, amount, what string) {
	body := map[string]any{}
	if amount != "" {
		body["amount"] = amount
	}
	t.ask(action, body, what)
}

// disputed acts on the order's only dispute.
func (t *tale) disputed(action string, body map[string]any, what string) {
	var order struct {
		Disputes []struct {
			ID string `json:"dispute_id"`
		} `json:"disputes"`
	}
	if t.err == nil {
		t.err = t.shop.call(t.ctx, "/orders/"+t.story.OrderID, nil, &order)
	}
	if t.err == nil && len(order.Disputes) == 0 {
		t.err = fmt.Errorf("order %s has no dispute", t.story.OrderID)
	}
	if t.err == nil {
		t.ask("disputes/"+order.Disputes[0].ID+"/"+action, body, what)
	}
}

func (t *tale) ask(action string, body map[string]any, what string) {
	if t.err == nil {
		t.err = t.shop.call(t.ctx, "/orders/"+t.story.OrderID+"/"+action, body, nil)
	}
	t.story.Plot = append(t.story.Plot, what)
}
