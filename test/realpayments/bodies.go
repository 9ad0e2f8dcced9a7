package main

import (
	"encoding/json"
	"fmt"
	"io"
)

const (
	gatewayConnectPay = "connectpay"
	gatewayEverifin   = "everifin"

	brl = "BRL"
	// bookedAt is the time of all hooks; the table has none.
	bookedAt = "2026-10-15T12:00:00.000Z"
)

// gateways are the writers of an order's bodies.
func gateways() map[string]func(io.Writer, *paidOrder) error {
	return map[string]func(io.Writer, *paidOrder) error{
		gatewayConnectPay: writeConnectPay, gatewayEverifin: writeEverifin,
	}
}

// expected is what ledger.orders has to show.
type expected struct {
	MerchantReference string `json:"merchant_reference"`
	Currency          string `json:"currency"`
	Captured          string `json:"captured"`
	Payments          int    `json:"payments"`
}

func writeExpected(w io.Writer, o *paidOrder) error {
	return writeLine(w, expected{
		MerchantReference: o.id, Currency: brl, Captured: formatCents(o.total()), Payments: len(o.payments),
	})
}

// paymentID names a payment; the table has numbers within the order only.
func (o *paidOrder) paymentID(p payment) string { return o.id + "-p" + p.sequence }

type object = map[string]any

func writeConnectPay(w io.Writer, o *paidOrder) error {
	for _, p := range o.payments {
		body := object{
			"merchant": object{"generic1": o.id},
			"payment": object{
				"paymentId": o.paymentID(p), "paymentMethod": connectPayMethod(p.method),
				"instructedAmount": object{"amount": formatCents(p.cents), "currency": brl},
			},
			"status": object{"code": "Approved", "isTerminal": true, "description": p.method},
		}
		if err := writeLine(w, body); err != nil {
			return err
		}
	}
	return nil
}

// connectPayMethod is the nearest that the gateway has.
func connectPayMethod(method string) string {
	if method == "credit_card" || method == "debit_card" {
		return "CARD"
	}
	return "PIS"
}

func writeEverifin(w io.Writer, o *paidOrder) error {
	var payments []object
	for _, p := range o.payments {
		payments = append(payments, object{
			"id": o.paymentID(p), "status": "BOOKED", "amount": json.Number(formatCents(p.cents)), "currency": brl,
		})
		hook := object{
			"eventId": o.paymentID(p) + "-booked", "eventType": "payment.statusChange", "eventTimestamp": bookedAt,
			"data": object{"paymentId": o.paymentID(p), "orderId": o.id, "externalId": o.id, "status": "BOOKED"},
		}
		if err := writeLine(w, hook); err != nil {
			return err
		}
	}
	total := json.Number(formatCents(o.total()))
	return writeLine(w, object{
		"meta": object{"status": "SUCCESS"},
		"data": object{
			"id": o.id, "externalId": o.id, "amount": total, "currency": brl, "status": "PAID", "sumOfPaid": total,
			"sumOfRefunded": json.Number("0.00"), "createdAt": bookedAt, "payments": payments, "refunds": []object{},
		},
	})
}

// writeLine writes v as one line of JSON, its members sorted by name.
func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a body: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write a line: %w", err)
	}
	return nil
}
