package statements

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/encoding/charmap"

	"github.com/order-ledger/order-ledger/domain/money"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

// The parts of camt.053 and camt.054 that matter here, by the names of their schemas. Versions 02 to 13
// differ in where a status and the amount of a transaction stand; both places are read.
type (
	camtAmount struct {
		Value    string `xml:",chardata"`
		Currency string `xml:"Ccy,attr"`
	}
	camtDate struct {
		Day    string `xml:"Dt"`
		Moment string `xml:"DtTm"`
	}
	camtStatus struct {
		Text string `xml:",chardata"`
		Code string `xml:"Cd"`
	}
	camtBalance struct {
		Code      string     `xml:"Tp>CdOrPrtry>Cd"`
		Amount    camtAmount `xml:"Amt"`
		Indicator string     `xml:"CdtDbtInd"`
	}
	camtEntry struct {
		Reference   string            `xml:"NtryRef"`
		Amount      camtAmount        `xml:"Amt"`
		Indicator   string            `xml:"CdtDbtInd"`
		Reversal    string            `xml:"RvslInd"`
		Status      camtStatus        `xml:"Sts"`
		Booked      camtDate          `xml:"BookgDt"`
		Valued      camtDate          `xml:"ValDt"`
		ServicerRef string            `xml:"AcctSvcrRef"`
		Details     []camtTransaction `xml:"NtryDtls>TxDtls"`
	}
	// camtExchanged is an amount in the currency of the payment, and how it was exchanged: so much for one UnitCcy.
	camtExchanged struct {
		Amount camtAmount `xml:"Amt"`
		Unit   string     `xml:"CcyXchg>UnitCcy"`
		Rate   string     `xml:"CcyXchg>XchgRate"`
	}
	camtTransaction struct {
		References struct {
			EndToEnd    string `xml:"EndToEndId"`
			Transaction string `xml:"TxId"`
			Instruction string `xml:"InstrId"`
			Servicer    string `xml:"AcctSvcrRef"`
		} `xml:"Refs"`
		Amount       *camtAmount    `xml:"Amt"`
		Instructed   *camtExchanged `xml:"AmtDtls>InstdAmt"`
		Exchanged    *camtExchanged `xml:"AmtDtls>TxAmt"`
		Indicator    string         `xml:"CdtDbtInd"`
		Unstructured []string       `xml:"RmtInf>Ustrd"`
		Structured   []string       `xml:"RmtInf>Strd>CdtrRefInf>Ref"`
	}
)

// Names in the schemas.
const (
	credit, debit  = "CRDT", "DBIT"
	booked         = "BOOK"
	openingBooked  = "OPBD"
	previousClosed = "PRCD"
	closingBooked  = "CLBD"
	notProvided    = "NOTPROVIDED"
)

// camtReader follows one message.
type camtReader struct {
	s *settlement.Statement
	m *Mapping
	d *xml.Decoder
	p problems

	path     []string
	account  string // of the statement that is being read
	currency money.Currency
	first    string // account of the first statement
	entries  money.Money
	opening  *money.Money
	closing  *money.Money
	began    int               // line
	earlier  []settlement.Line // as version 1 read them
}

func readCamt(s *settlement.Statement, content []byte, m *Mapping) error {
	s.Side = m.Side
	r := camtReader{s: s, m: m, d: xml.NewDecoder(bytes.NewReader(content))}
	r.d.CharsetReader = func(name string, in io.Reader) (io.Reader, error) {
		switch strings.ToLower(name) {
		case "iso-8859-1":
			return charmap.ISO8859_1.NewDecoder().Reader(in), nil
		case "windows-1252":
			return charmap.Windows1252.NewDecoder().Reader(in), nil
		}
		return nil, fmt.Errorf("the encoding %q is not known", name)
	}
	if err := r.read(); err != nil {
		return err
	}
	if s.Format == "" {
		return refuse(0, "it is neither camt.053 nor camt.054")
	}
	if err := r.p.err(); err != nil {
		return err
	}
	if s.Format == settlement.Camt053 && s.Closing == nil {
		return refuse(0, "it has no statement")
	}
	r.nameEarlier()
	return nil
}

// nameEarlier tells the name that the statement has where an earlier version took it in, which read other lines.
func (r *camtReader) nameEarlier() {
	before := settlement.Statement{Header: r.s.Header, Lines: r.earlier}
	now := settlement.Statement{Header: r.s.Header, Lines: slices.Clone(r.s.Lines)}
	for i := range before.Lines {
		before.Lines[i].Number = i + 1
	}
	for i := range now.Lines {
		now.Lines[i].Number = i + 1
	}
	if id := before.ID(); id != now.ID() {
		r.s.Earlier = append(r.s.Earlier, id)
	}
}

// readEarlier is the line as the ledger read it before it knew reversals and exchanges: by its sign alone, in the currency of
// the account. Such lines are in logs; this must not change.
func (r *camtReader) readEarlier(l settlement.Line, amount money.Money) {
	word, kind := "+", settlement.Payment
	gross := amount
	if amount.IsNegative() {
		word, kind, gross = "-", settlement.Refund, amount.Neg()
	}
	if mapped := r.m.Kinds[word]; mapped != "" {
		if mapped == skip {
			return
		}
		kind = settlement.Kind(mapped)
	}
	l.Kind, l.Gross, l.Exchange, l.SettlementRef = kind, gross, nil, ""
	if kind == settlement.Payout {
		l.SettlementRef = l.Reference()
	}
	if !gross.IsZero() {
		r.earlier = append(r.earlier, l)
	}
}

func (r *camtReader) line() int {
	line, _ := r.d.InputPos()
	return line
}

func (r *camtReader) read() error {
	for {
		line := r.line()
		token, err := r.d.Token()
		if errors.Is(err, io.EOF) {
			if len(r.path) > 0 {
				return refuse(line, "it ends within %s", r.path[len(r.path)-1])
			}
			return nil
		}
		if err != nil {
			return refuse(r.line(), "it is no XML: %s", err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if err := r.start(&e, line); err != nil {
				return err
			}
			if len(r.s.Lines) > LinesMax {
				return refuse(0, "it has more than %d lines", LinesMax)
			}
		case xml.EndElement:
			r.end()
		}
	}
}

// decode reads an element as a whole; it is not on the path then.
func (r *camtReader) decode(into any, e *xml.StartElement) error {
	if err := r.d.DecodeElement(into, e); err != nil {
		return refuse(r.line(), "it is no XML: %s", err)
	}
	return nil
}

func (r *camtReader) start(e *xml.StartElement, line int) error {
	name := e.Name.Local
	switch parent := r.parent(); {
	case len(r.path) == 1 && name == "BkToCstmrStmt":
		r.s.Format = settlement.Camt053
	case len(r.path) == 1 && name == "BkToCstmrDbtCdtNtfctn":
		r.s.Format = settlement.Camt054
	case (parent == "BkToCstmrStmt" && name == "Stmt") || (parent == "BkToCstmrDbtCdtNtfctn" && name == "Ntfctn"):
		r.began, r.account, r.currency, r.entries, r.opening, r.closing = line, "", money.Currency{}, money.Money{}, nil, nil
	case (parent == "Stmt" || parent == "Ntfctn") && name == "Id":
		var id string
		if err := r.decode(&id, e); err != nil {
			return err
		}
		whole := strings.TrimPrefix(r.s.StatementRef+" "+strings.TrimSpace(id), " ")
		if len(whole) > referenceBytesMax {
			return refuse(line, "the Ids of its statements have more than %d bytes together", referenceBytesMax)
		}
		r.s.StatementRef = whole
		return nil
	case (parent == "Stmt" || parent == "Ntfctn") && name == "Acct":
		return r.readAccount(e, line)
	case parent == "Stmt" && name == "Bal":
		return r.readBalance(e, line)
	case (parent == "Stmt" || parent == "Ntfctn") && name == "Ntry":
		return r.readEntry(e, line)
	}
	r.path = append(r.path, name)
	return nil
}

func (r *camtReader) parent() string {
	if len(r.path) == 0 {
		return ""
	}
	return r.path[len(r.path)-1]
}

func (r *camtReader) end() {
	if r.parent() == "Stmt" {
		r.checkBalance()
	}
	r.path = r.path[:max(0, len(r.path)-1)]
}

func (r *camtReader) readAccount(e *xml.StartElement, line int) error {
	var account struct {
		IBAN     string `xml:"Id>IBAN"`
		Other    string `xml:"Id>Othr>Id"`
		Currency string `xml:"Ccy"`
	}
	if err := r.decode(&account, e); err != nil {
		return err
	}
	r.account = strings.TrimSpace(account.IBAN + account.Other)
	if r.first == "" {
		r.first = r.account
	}
	if r.account != r.first {
		r.p.add(line, "it is about a second account; import one account at a time")
	}
	if code := strings.TrimSpace(account.Currency); code != "" {
		r.setCurrency(code, line)
	}
	return nil
}

func (r *camtReader) setCurrency(code string, line int) {
	currency, err := money.ParseCurrency(code)
	switch {
	case err != nil:
		r.p.add(line, "%q is no currency", code)
	case !r.currency.IsZero() && r.currency != currency:
		r.p.add(line, "it is in %s, and the account in %s", currency, r.currency)
	default:
		r.currency = currency
	}
}

// amount reads an amount with its sign: money that comes in is above zero.
func (r *camtReader) amount(a *camtAmount, indicator string, line int) (money.Money, bool) {
	r.setCurrency(strings.TrimSpace(a.Currency), line)
	currency, err := money.ParseCurrency(strings.TrimSpace(a.Currency))
	if err != nil {
		return money.Money{}, false
	}
	amount, err := money.Parse(strings.TrimSpace(a.Value), currency)
	switch {
	case err != nil:
		r.p.add(line, "the amount %q: %s", a.Value, err)
	case amount.IsNegative():
		r.p.add(line, "the amount %s is below zero", amount)
	case indicator == credit:
		return amount, true
	case indicator == debit:
		return amount.Neg(), true
	default:
		r.p.add(line, "CdtDbtInd %q is neither CRDT nor DBIT", indicator)
	}
	return money.Money{}, false
}

func (r *camtReader) readBalance(e *xml.StartElement, line int) error {
	var balance camtBalance
	if err := r.decode(&balance, e); err != nil {
		return err
	}
	code := strings.TrimSpace(balance.Code)
	if code != openingBooked && code != previousClosed && code != closingBooked {
		return nil
	}
	amount, ok := r.amount(&balance.Amount, strings.TrimSpace(balance.Indicator), line)
	switch {
	case !ok:
	case code == closingBooked:
		r.closing = &amount
	case code == openingBooked || r.opening == nil:
		r.opening = &amount
	}
	return nil
}

// checkBalance proves a statement: opening balance and entries make the closing balance, and it goes on
// where the one before it in the file ended.
func (r *camtReader) checkBalance() {
	if r.opening == nil || r.closing == nil {
		r.p.add(r.began, "the statement has no opening (OPBD) or no closing (CLBD) balance")
		return
	}
	sum, err := r.opening.Add(r.entries)
	if err == nil && !sum.Equal(*r.closing) { // an amount in another currency is told where it stands
		r.p.add(r.began, "opening balance %s and entries of %s make %s, and the closing balance is %s", r.opening, r.entries, sum, r.closing)
	}
	switch {
	case r.s.Closing == nil:
		r.s.Opening = r.opening
	case !r.s.Closing.Equal(*r.opening):
		r.p.add(r.began, "the statement begins with %s, and the one before it ends with %s", r.opening, r.s.Closing)
	}
	r.s.Closing = r.closing
}

func (r *camtReader) readEntry(e *xml.StartElement, line int) error {
	var entry camtEntry
	if err := r.decode(&entry, e); err != nil {
		return err
	}
	if status := strings.TrimSpace(entry.Status.Code + strings.TrimSpace(entry.Status.Text)); status != booked {
		return nil // not booked: it comes again when it is
	}
	amount, ok := r.amount(&entry.Amount, strings.TrimSpace(entry.Indicator), line)
	if !ok {
		return nil
	}
	if sum, err := r.entries.Add(amount); err == nil {
		r.entries = sum
	} else {
		r.p.add(line, "%s", err)
	}
	date, err := entry.day()
	if err != nil {
		r.p.add(line, "%s", err)
		return nil
	}
	if len(entry.Details) == 0 {
		entry.Details = []camtTransaction{{}}
	}
	r.transactions(&entry, amount, date, line)
	return nil
}

// transactions adds the lines of an entry: one for each transaction that tells its amount, which add up to
// the entry, or one for the entry itself.
func (r *camtReader) transactions(entry *camtEntry, whole money.Money, date string, line int) {
	told := 0
	for i := range entry.Details {
		if entry.Details[i].amount(&entry.Amount) != nil {
			told++
		}
	}
	if told == 0 {
		first := entry.Details[0]
		if len(entry.Details) > 1 {
			first = camtTransaction{} // a batch: none of them is what the entry is about
		}
		r.add(entry, &first, whole, date, line, 0)
		return
	}
	if told != len(entry.Details) {
		r.p.add(line, "%d of %d transactions of the entry have no amount", len(entry.Details)-told, len(entry.Details))
		return
	}
	sum := money.Zero(whole.Currency())
	for i := range entry.Details {
		t := &entry.Details[i]
		indicator := strings.TrimSpace(t.Indicator)
		if indicator == "" {
			indicator = strings.TrimSpace(entry.Indicator)
		}
		amount, ok := r.amount(t.amount(&entry.Amount), indicator, line)
		if !ok {
			return
		}
		var err error
		if sum, err = sum.Add(amount); err != nil {
			r.p.add(line, "%s", err)
			return
		}
		r.add(entry, t, amount, date, line, i)
	}
	if !sum.Equal(whole) {
		r.p.add(line, "the transactions of the entry add up to %s, and it is %s", sum, whole)
	}
}

// amount is what the transaction moved on the account; nil when it does not say, as older versions may tell
// the amount in another currency only.
func (t *camtTransaction) amount(entry *camtAmount) *camtAmount {
	switch {
	case t.Amount != nil:
		return t.Amount
	case t.Exchanged != nil && strings.TrimSpace(t.Exchanged.Amount.Currency) == strings.TrimSpace(entry.Currency):
		return &t.Exchanged.Amount
	}
	return nil
}

func (r *camtReader) add(entry *camtEntry, t *camtTransaction, amount money.Money, date string, line, part int) {
	l := settlement.Line{FileLine: line, ValueDate: date}
	r.name(&l, entry, t, part)
	r.readEarlier(l, amount)
	back := strings.TrimSpace(entry.Reversal) == "true" || strings.TrimSpace(entry.Reversal) == "1"
	word, kind := "+", settlement.Payment
	if amount.IsNegative() != back { // what takes a debit back is a credit
		word, kind = "-", settlement.Refund
	}
	if mapped := r.m.Kinds[word]; mapped != "" {
		if mapped == skip {
			return
		}
		kind = settlement.Kind(mapped)
	}
	if back {
		kind = kind.Reversal()
	}
	gross := amount
	if amount.IsNegative() {
		gross = amount.Neg()
	}
	l.Kind, l.Gross = kind, gross
	if err := t.exchange(&l); err != nil {
		r.p.add(line, "%s", err)
		return
	}
	if kind.OfPayout() {
		l.SettlementRef = l.Reference()
	}
	if gross.IsZero() {
		return // an entry of nothing
	}
	r.s.Lines = append(r.s.Lines, l)
}

// name tells what the statement calls the line, and what the line is about.
func (r *camtReader) name(l *settlement.Line, entry *camtEntry, t *camtTransaction, part int) {
	if id := strings.TrimSpace(entry.ServicerRef); id != "" {
		l.ID = fmt.Sprintf("%s/%d", id, part)
	} else if id := strings.TrimSpace(entry.Reference); id != "" {
		l.ID = fmt.Sprintf("%s/%d", id, part)
	}
	texts := []string{t.References.EndToEnd, t.References.Transaction, t.References.Instruction, t.References.Servicer}
	texts = append(texts, t.Structured...)
	if r.m.pattern != nil { // a free text may hold anything, but for what the pattern takes out of it
		texts = append(texts, strings.Join(t.Unstructured, ""))
	}
	for i, text := range texts {
		if strings.TrimSpace(text) == notProvided {
			texts[i] = ""
		}
	}
	l.References = r.m.references(texts...)
}

// exchange makes the line one in the currency of the payment, where the transaction tells what it was in that.
func (t *camtTransaction) exchange(l *settlement.Line) error {
	for _, x := range []*camtExchanged{t.Instructed, t.Exchanged} {
		if x == nil {
			continue
		}
		currency, err := money.ParseCurrency(strings.TrimSpace(x.Amount.Currency))
		if err != nil {
			return fmt.Errorf("%q is no currency", x.Amount.Currency)
		}
		if currency == l.Gross.Currency() {
			continue
		}
		gross, err := money.Parse(strings.TrimSpace(x.Amount.Value), currency)
		if err != nil {
			return fmt.Errorf("the amount %q: %w", x.Amount.Value, err)
		}
		l.Exchange = &settlement.Exchange{Amount: l.Gross}
		l.Gross = gross
		return t.rate(l.Exchange)
	}
	return nil
}

// rate reads the rate of an exchange, which stands with either amount.
func (t *camtTransaction) rate(x *settlement.Exchange) error {
	for _, told := range []*camtExchanged{t.Instructed, t.Exchanged} {
		if told == nil || strings.TrimSpace(told.Rate) == "" {
			continue
		}
		x.Rate, x.Inverse = strings.TrimSpace(told.Rate), strings.TrimSpace(told.Unit) == x.Amount.Currency().Code()
		_, err := settlement.ParseRate(x.Rate)
		return err
	}
	return nil
}

// day is the value date, or else the day of booking.
func (e *camtEntry) day() (string, error) {
	for _, d := range []camtDate{e.Valued, e.Booked} {
		text := strings.TrimSpace(d.Day)
		if text == "" && len(strings.TrimSpace(d.Moment)) >= len(time.DateOnly) {
			text = strings.TrimSpace(d.Moment)[:len(time.DateOnly)]
		}
		if text == "" {
			continue
		}
		if len(text) > len(time.DateOnly) { // a time zone may follow
			text = text[:len(time.DateOnly)]
		}
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return "", fmt.Errorf("the date %q is none", text)
		}
		return text, nil
	}
	return "", errors.New("the entry has neither a value date nor a day of booking")
}
