// Package reportpage draws a page for people of what the reports say: money in, refunds, disputes and ageing,
// per currency. It is one HTML file with inline pictures, for paper and for a phone; it loads nothing.
package reportpage

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/projections/reports"
)

//go:embed page.html
var pageHTML string

// Page is what is drawn.
type Page struct {
	Title, Range, AsOf string
	Position           string
	Entity             string // empty is all
	Currencies         []Section
	Counts             []Count
}

// Count is one figure of the work list.
type Count struct {
	Name string
	N    int
}

// Section is one currency.
type Section struct {
	Currency string
	Figures  []Figure
	In       Chart // per day
	Back     Chart // refunds and disputes per day
	Ageing   Chart
	Disputes Chart
}

// Figure is one number.
type Figure struct{ Name, Amount string }

// Chart is bars side by side.
type Chart struct {
	Title string
	Bars  []Bar
}

// Bar is one bar; X, Y, Width and Height place it in a picture of pictureWidth by pictureHeight.
type Bar struct {
	Label, Value        string
	X, Y, Width, Height float64
	Below               bool // the value is negative
	// Name is the label as far as there is room for it before the next one, and NameX where it begins; empty for bars whose
	// neighbours are named.
	Name  string
	NameX float64
}

// Size of pictures, in the units of the SVG.
const (
	pictureWidth, pictureHeight = 360.0, 150.0
	labelHeight                 = 18.0
	labelsMost                  = 5
	barWidthMost                = 56.0
	letterWidth                 = 6.2 // of labels, at most
)

// PictureWidth and PictureHeight are the size of pictures with their labels.
func (Chart) PictureWidth() float64 { return pictureWidth }

// PictureHeight is PictureWidth's other half.
func (Chart) PictureHeight() float64 { return pictureHeight + labelHeight }

// Max is the largest value.
func (c Chart) Max() string {
	value, tallest := "", 0.0
	for _, b := range c.Bars {
		if b.Height > tallest && !b.Below {
			value, tallest = b.Value, b.Height
		}
	}
	return value
}

// Gather reads what the page shows, from one snapshot.
func Gather(ctx context.Context, db reports.Querier, p reports.Params, position string) (Page, error) {
	page := Page{Title: "Order ledger", Position: position, Entity: p.Entity, Range: "all days"}
	if p.From != nil && p.Through != nil {
		page.Range = p.From.Format(time.DateOnly) + " to " + p.Through.Format(time.DateOnly)
	}
	if p.AsOf != nil {
		page.AsOf = p.AsOf.UTC().Format("2006-01-02 15:04 UTC")
	}
	p.Daily = true
	tables := map[string]rows{}
	for _, name := range []string{"totals", "ageing", "disputes-open", "refunds-outstanding", "unapplied", "holds", "unknown", "anomalies"} {
		report, err := reports.Find(name)
		if err != nil {
			return page, err
		}
		if p.Entity != "" && !report.Takes("entity") {
			continue // it would count what is in other books
		}
		table, err := report.Run(ctx, db, p)
		if err != nil {
			return page, err
		}
		tables[name] = rowsOf(table)
	}
	for name, title := range map[string]string{
		"refunds-outstanding": "Refunds outstanding", "disputes-open": "Disputes open", "unapplied": "Unapplied money", "holds": "Holds",
		"unknown": "Unknown outcomes", "anomalies": "Anomalies",
	} {
		if table, read := tables[name]; read {
			page.Counts = append(page.Counts, Count{title, len(table)})
		}
	}
	slices.SortFunc(page.Counts, func(a, b Count) int { return strings.Compare(a.Name, b.Name) })
	for _, currency := range currencies(tables) {
		s, err := section(currency, tables)
		if err != nil {
			return page, err
		}
		page.Currencies = append(page.Currencies, s)
	}
	return page, nil
}

// rows are the rows of a report by column.
type rows []map[string]string

func rowsOf(t reports.Table) rows {
	out := make(rows, len(t.Rows))
	for i, row := range t.Rows {
		out[i] = map[string]string{}
		for j, v := range row {
			if v != nil {
				out[i][t.Columns[j]] = *v
			}
		}
	}
	return out
}

func currencies(tables map[string]rows) []string {
	var all []string
	for _, name := range []string{"totals", "ageing"} {
		for _, row := range tables[name] {
			all = append(all, row["currency"])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// sums adds columns up, by what key says of each row of a currency.
func (r rows) sums(currency string, key func(map[string]string) string, columns ...string) (map[string]decimal.Decimal, error) {
	out := map[string]decimal.Decimal{}
	for _, row := range r {
		if row["currency"] != currency {
			continue
		}
		for _, column := range columns {
			amount, err := decimal.NewFromString(row[column])
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", column, err)
			}
			out[key(row)] = out[key(row)].Add(amount)
		}
	}
	return out, nil
}

func section(currency string, tables map[string]rows) (Section, error) {
	s := Section{Currency: currency}
	day := func(row map[string]string) string { return row["period"] }
	all := func(map[string]string) string { return "" }
	var failed error
	sums := func(table string, key func(map[string]string) string, columns ...string) map[string]decimal.Decimal {
		out, err := tables[table].sums(currency, key, columns...)
		if err != nil && failed == nil {
			failed = err
		}
		return out
	}
	for _, f := range []struct{ name, table, column string }{
		{"Captured", "totals", "captured"}, {"Received elsewhere", "totals", "received_externally"}, {"Refunded", "totals", "refunded"},
		{"Reversed", "totals", "reversed"}, {"Disputed", "totals", "disputed"}, {"Paid out", "totals", "paid_out"}, {"Fees", "totals", "fees"}, {"Net", "totals", "net"},
		{"Owed by customers", "ageing", "owed"},
	} {
		s.Figures = append(s.Figures, Figure{f.name, shown(sums(f.table, all, f.column)[""], currency)})
	}
	s.In = perDay(currency, "Money in, per day", sums("totals", day, "captured", "received_externally"))
	s.Back = perDay(currency, "Refunds, reversals and disputes, per day", sums("totals", day, "refunded", "reversed", "disputed"))
	s.Disputes = byKey(currency, "Open disputes by last step", sums("disputes-open", func(row map[string]string) string { return stageOf(row["last_step"]) }, "exposure"))
	ages := [][2]string{{"not due", "not_due"}, {"to 30 days", "to_30_days"}, {"31 to 60", "to_60_days"}, {"61 to 90", "to_90_days"}, {"older", "older"}}
	labels, values := make([]string, len(ages)), make([]decimal.Decimal, len(ages))
	for i, age := range ages {
		labels[i], values[i] = age[0], sums("ageing", all, age[1])[""]
	}
	s.Ageing = chart(currency, "Receivables by age", labels, values)
	return s, failed
}

// perDay is byKey for days: those without anything have their place too.
func perDay(currency, title string, sums map[string]decimal.Decimal) Chart {
	days := make([]string, 0, len(sums))
	for day := range sums {
		days = append(days, day)
	}
	if len(days) == 0 {
		return Chart{Title: title}
	}
	slices.Sort(days)
	first, err := time.Parse(time.DateOnly, days[0])
	last, err2 := time.Parse(time.DateOnly, days[len(days)-1])
	if err != nil || err2 != nil {
		return byKey(currency, title, sums)
	}
	var labels []string
	var values []decimal.Decimal
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		labels = append(labels, day.Format("02 Jan"))
		values = append(values, sums[day.Format(time.DateOnly)])
	}
	return chart(currency, title, labels, values)
}

// shown is an amount with all decimals of its currency.
func shown(amount decimal.Decimal, currency string) string {
	if c, err := money.ParseCurrency(currency); err == nil {
		return amount.StringFixed(c.MinorUnits())
	}
	return amount.String()
}

// stageOf is the stage of the step of a dispute, short enough to stand below a bar.
func stageOf(step string) string {
	for _, suffix := range []string{"Received", "Requested", "Filed", "Opened"} {
		step = strings.TrimSuffix(step, suffix)
	}
	return strings.TrimPrefix(strings.ReplaceAll(strings.ReplaceAll(step, "Advice", " advice"), "Faith", " faith"), " ")
}

func byKey(currency, title string, sums map[string]decimal.Decimal) Chart {
	labels := make([]string, 0, len(sums))
	for label := range sums {
		labels = append(labels, label)
	}
	slices.Sort(labels)
	values := make([]decimal.Decimal, len(labels))
	for i, label := range labels {
		values[i] = sums[label]
	}
	return chart(currency, title, labels, values)
}

// chart places bars. Heights are the only place where amounts become inexact: they are pixels.
func chart(currency, title string, labels []string, values []decimal.Decimal) Chart {
	c := Chart{Title: title}
	most := decimal.Zero
	for _, v := range values {
		most = decimal.Max(most, v.Abs())
	}
	if most.IsZero() {
		return c
	}
	slot := min(pictureWidth/float64(len(values)), pictureWidth/labelsMost)
	every := max(1, (len(values)+labelsMost-1)/labelsMost)
	free := 0.0
	for i, v := range values {
		height := v.Abs().Div(most).InexactFloat64() * pictureHeight
		c.Bars = append(c.Bars, Bar{
			Label: labels[i], Value: shown(v, currency), X: float64(i) * slot, Y: pictureHeight - height, Width: min(slot*0.85, barWidthMost), Height: height,
			Below: v.IsNegative(),
		})
		if i%every == 0 {
			free = c.Bars[i].name(free, float64(i+every)*slot)
		}
	}
	return c
}

// name writes the label under the bar, where it is free before the next label begins and within the picture, and returns
// from where on it is free then. The last label may begin before its bar.
func (b *Bar) name(free, next float64) float64 {
	from, to := b.X, next
	if to >= pictureWidth {
		from, to = free, pictureWidth+letterWidth
	}
	letters := []rune(b.Label)
	if most := max(int((to-from)/letterWidth)-1, 1); len(letters) > most { // one is the gap to the next
		letters = append(letters[:most-1:most-1], '…')
	}
	length := float64(len(letters)) * letterWidth
	b.Name, b.NameX = string(letters), max(free, min(b.X, pictureWidth-length))
	return b.NameX + length + letterWidth
}

// Write writes the page.
func Write(w io.Writer, p Page) error {
	t, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("draw the page: %w", err)
	}
	return nil
}
