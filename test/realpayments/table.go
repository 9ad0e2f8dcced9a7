package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// paidOrder is an order of the table with its payments in the table's
// sequence. Orders come in the sequence of their first payments.
type paidOrder struct {
	id       string
	payments []payment
}

// payment is a line of the table; its amount is in centavos.
type payment struct {
	sequence, method string
	cents            int64
}

func (o *paidOrder) total() int64 {
	var sum int64
	for i := range o.payments {
		sum += o.payments[i].cents
	}
	return sum
}

var columns = []string{"order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value"}

func readOrders(r io.Reader) ([]*paidOrder, error) {
	table := csv.NewReader(r)
	table.FieldsPerRecord = len(columns)
	header, err := table.Read()
	if err != nil {
		return nil, fmt.Errorf("read the table's header: %w", err)
	}
	if !slices.Equal(header, columns) {
		return nil, fmt.Errorf("the table's columns are %v, want %v", header, columns)
	}
	var orders []*paidOrder
	byID := map[string]*paidOrder{}
	for {
		line, err := table.Read()
		if errors.Is(err, io.EOF) {
			return orders, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the table: %w", err)
		}
		cents, err := parseCents(line[4])
		if err != nil {
			return nil, fmt.Errorf("payment %s of order %s: %w", line[1], line[0], err)
		}
		o := byID[line[0]]
		if o == nil {
			o = &paidOrder{id: line[0]}
			byID[o.id], orders = o, append(orders, o)
		}
		o.payments = append(o.payments, payment{sequence: line[1], method: line[2], cents: cents})
	}
}

// parseCents reads an amount with at most two digits after the point.
func parseCents(text string) (int64, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	if len(fraction) > 2 {
		return 0, fmt.Errorf("amount %q has more than two digits after the point", text)
	}
	cents, err := strconv.ParseUint(whole+fraction+"00"[len(fraction):], 10, 63)
	if err != nil {
		return 0, fmt.Errorf("amount %q: %w", text, err)
	}
	return int64(cents), nil
}

func formatCents(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }
