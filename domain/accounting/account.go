package accounting

import (
	"fmt"
	"slices"
)

// Account is one account of the chart. Its number is what the journal stores and never changes; the
// code that people see can be configured (see Chart).
type Account uint8

// The accounts. Every one is kept per currency.
const (
	Bank Account = iota
	GatewayClearing
	PayoutsInTransit
	ExternalClearing
	DisputedFunds
	ExcessRecoverable
	CurrencyExchange
	Receivable
	RefundsPayable
	CustomerFunds
	PayoutsPayable
	DisputeProvision
	OrderControl
	Sales
	Refunds
	ChargebackLosses
	GatewayFees
	DisputeFees
	ExchangeDifference
	Holds
	HoldsContra
	Expected
	ExpectedContra
	Suspense
	accounts // how many there are
)

// Type is the class of an account.
type Type string

// Types of accounts. Memo accounts stand off the balance sheet.
const (
	Asset     Type = "asset"
	Liability Type = "liability"
	Income    Type = "income"
	Expense   Type = "expense"
	Memo      Type = "memo"
)

// described is the chart as it is without configuration.
var described = [accounts]struct {
	code, name string
	kind       Type
}{
	Bank:               {"1010", "Bank", Asset},
	GatewayClearing:    {"1100", "Gateway clearing", Asset},
	PayoutsInTransit:   {"1105", "Gateway payouts in transit to the bank", Asset},
	ExternalClearing:   {"1110", "External receipts clearing", Asset},
	DisputedFunds:      {"1150", "Disputed funds receivable", Asset},
	ExcessRecoverable:  {"1160", "Excess refunds and chargebacks recoverable", Asset},
	CurrencyExchange:   {"1190", "Currency exchange", Asset},
	Receivable:         {"1200", "Accounts receivable - orders", Asset},
	RefundsPayable:     {"2100", "Refunds payable", Liability},
	CustomerFunds:      {"2200", "Customer funds, overpayments, unapplied", Liability},
	PayoutsPayable:     {"2300", "Payouts payable", Liability},
	DisputeProvision:   {"2350", "Provision for disputes", Liability},
	OrderControl:       {"2900", "Order control", Liability},
	Sales:              {"4000", "Sales", Income},
	Refunds:            {"4090", "Refunds and allowances", Income},
	ChargebackLosses:   {"5100", "Chargeback losses", Expense},
	GatewayFees:        {"5200", "Gateway fees", Expense},
	DisputeFees:        {"5210", "Dispute fees", Expense},
	ExchangeDifference: {"5900", "Exchange differences", Expense},
	Holds:              {"9100", "Memo: authorised holds", Memo},
	HoldsContra:        {"9101", "Memo: authorised holds, contra", Memo},
	Expected:           {"9110", "Memo: expected payments", Memo},
	ExpectedContra:     {"9111", "Memo: expected payments, contra", Memo},
	Suspense:           {"9900", "Suspense", Liability},
}

// Accounts returns all accounts in the order of the chart. The slice belongs to the caller.
func Accounts() []Account {
	all := make([]Account, accounts)
	for i := range all {
		all[i] = Account(i)
	}
	return all
}

// Code is the code of the account in the chart without configuration.
func (a Account) Code() string {
	if a >= accounts {
		return fmt.Sprintf("account(%d)", uint8(a))
	}
	return described[a].code
}

// Name is what people call the account.
func (a Account) Name() string {
	if a >= accounts {
		return a.Code()
	}
	return described[a].name
}

// Type is the class of the account.
func (a Account) Type() Type {
	if a >= accounts {
		return ""
	}
	return described[a].kind
}

func (a Account) String() string { return a.Code() }

// AccountOf finds an account by its code in the chart without configuration.
func AccountOf(code string) (Account, bool) {
	i := slices.IndexFunc(described[:], func(d struct {
		code, name string
		kind       Type
	}) bool {
		return d.code == code
	})
	return Account(max(i, 0)), i >= 0
}

// cash are the accounts whose sum is an order's net: what is or will be ours of it, fees and exchange included. In a
// currency that is not the order's they sum to zero.
var cash = []Account{
	Bank, GatewayClearing, PayoutsInTransit, ExternalClearing, CurrencyExchange, GatewayFees, DisputeFees, ExchangeDifference,
}

// IsCash tells whether the account counts for an order's net.
func (a Account) IsCash() bool { return slices.Contains(cash, a) }
