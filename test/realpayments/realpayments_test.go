package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/order-ledger/order-ledger/commands"
	"github.com/order-ledger/order-ledger/test/model"
)

const table = `order_id,payment_sequential,payment_type,payment_installments,payment_value
1f2e3d4c5b6a79880123456789abcdef,1,credit_card,1,48.82
90ab12cd34ef56ab78cd90ef12ab34cd,2,voucher,1,10.5
90ab12cd34ef56ab78cd90ef12ab34cd,1,credit_card,8,0.07
90ab12cd34ef56ab78cd90ef12ab34cd,3,voucher,1,0.00
0000aaaa1111bbbb2222cccc3333dddd,1,boleto,1,13664.08
`

// TestSumsComeOut goes from the table to the ledger's figures.
func TestSumsComeOut(t *testing.T) {
	t.Parallel()
	want := map[string]expected{
		"1f2e3d4c5b6a79880123456789abcdef": {Captured: "48.82", Payments: 1},
		"90ab12cd34ef56ab78cd90ef12ab34cd": {Captured: "10.57", Payments: 3},
		"0000aaaa1111bbbb2222cccc3333dddd": {Captured: "13664.08", Payments: 1},
	}
	for gateway := range gateways() {
		t.Run(gateway, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			in := filepath.Join(dir, "payments.csv")
			if err := os.WriteFile(in, []byte(table), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := run([]string{"--in", in, "--gateway", gateway, "--out", dir}, io.Discard); err != nil {
				t.Fatal(err)
			}
			l, ctx := model.Open(t), context.Background()
			for _, body := range lines(t, filepath.Join(dir, gateway+".ndjson")) {
				r, err := l.Accept(ctx, gateway, []byte(body))
				if err != nil || r.Outcome != commands.Accepted {
					t.Fatalf("%+v, %v for %s", r, err, body)
				}
			}
			states, err := l.Orders(ctx)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]expected{}
			for _, s := range states {
				if s.PaymentState() != "PAID" {
					t.Errorf("order %s is %s", s.MerchantReference, s.PaymentState())
				}
				got[s.MerchantReference] = expected{Captured: s.Balances().Captured.String(), Payments: len(s.Payments)}
			}
			told := lines(t, filepath.Join(dir, "expected.ndjson"))
			for _, line := range told {
				var e expected
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatal(err)
				}
				plain := expected{Captured: e.Captured, Payments: e.Payments}
				if plain != want[e.MerchantReference] || plain != got[e.MerchantReference] || e.Currency != brl {
					t.Errorf("order %s: told %+v, the ledger has %+v, want %+v", e.MerchantReference, e, got[e.MerchantReference], want[e.MerchantReference])
				}
			}
			if len(told) != len(want) || len(got) != len(want) {
				t.Errorf("%d orders told, %d in the ledger, want %d", len(told), len(got), len(want))
			}
		})
	}
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []string
	for s := bufio.NewScanner(f); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}

func TestRefusedTables(t *testing.T) {
	t.Parallel()
	header := strings.Join(columns, ",") + "\n"
	for name, text := range map[string]string{
		"other columns":   "id,amount\n1,2.00\n",
		"too many digits": header + "a,1,voucher,1,1.005\n",
		"negative":        header + "a,1,voucher,1,-1.00\n",
		"no number":       header + "a,1,voucher,1,1.x\n",
		"empty":           "",
	} {
		if _, err := readOrders(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
