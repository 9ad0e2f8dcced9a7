package statements_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/commands/statements"
	"github.com/order-ledger/order-ledger/domain/settlement"
)

const plainMapping = `
gateway: decta
side: gateway
currencies: [EUR]
delimiter: ";"
decimal: ","
thousands: "."
date: DD.MM.YYYY
columns: {references: [Payment, Order], kind: Type, value_date: Date, gross: Gross, fee: Fee, net: Net, settlement_ref: Payout, currency: Currency}
kinds: {Sale: payment, Refund: refund, Reserve: skip}
signs: signed
totals: {column: Type, value: Total}
`

const plainHeader = "Date;Type;Payment;Order;Payout;Currency;Gross;Fee;Net\n"

func mapping(t testing.TB, text string) statements.Mapping {
	t.Helper()
	m, err := statements.ParseMapping([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shown is a statement in short, or why it is refused.
func shown(s settlement.Statement, err error) []string {
	var refused *statements.RefusedError
	if errors.As(err, &refused) {
		var texts []string
		for _, p := range refused.Problems {
			texts = append(texts, p.String())
		}
		return texts
	}
	if err != nil {
		return []string{"not a refusal: " + err.Error()}
	}
	var texts []string
	for _, l := range s.Lines {
		text := fmt.Sprintf("%d@%d %s %v %s %s", l.Number, l.FileLine, l.Kind, l.References, l.ValueDate, l.Gross.Format())
		if x := l.Exchange; x != nil {
			text += fmt.Sprintf(" came to %s at %q inverse %t", x.Amount.Format(), x.Rate, x.Inverse)
		}
		if l.Fee != nil {
			text += " fee " + l.Fee.String()
		}
		if l.Net != nil {
			text += " net " + l.Net.String()
		}
		texts = append(texts, text)
	}
	return texts
}

func TestRead_CSV(t *testing.T) {
	t.Parallel()
	const sale, refund = "01.10.2026;Sale;p1;o1;PO-1;EUR;1.234,50;1,00;1.233,50\n", "02.10.2026;Refund;p1;o1;PO-1;EUR;-34,50;;-34,50\n"
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"Read":           {plainHeader + sale + refund + "03.10.2026;Reserve;;;;EUR;-5,00;;\n;Total;;;;EUR;1.200,00;1,00;1.199,00\n", []string{"1@2 payment [p1 o1] 2026-10-01 1234.50 EUR fee 1.00 net 1233.50", "2@3 refund [p1 o1] 2026-10-02 34.50 EUR net 34.50"}},
		"ByteOrderMark":  {"\xef\xbb\xbf" + plainHeader + sale + ";Total;;;;EUR;1.234,50;;\n", []string{"1@2 payment [p1 o1] 2026-10-01 1234.50 EUR fee 1.00 net 1233.50"}},
		"NotUTF8":        {plainHeader + sale + "02.10.2026;Sale;p\xe42;o;PO;EUR;1,00;;\n", []string{"line 3: byte 0xe4: it is not in utf-8"}},
		"Zeros":          {plainHeader + "\x00", []string{"line 2: byte 0x00: it is not in utf-8"}},
		"Duplicate":      {plainHeader + sale + refund + sale + ";Total;;;;EUR;2.434,50;;\n", []string{"line 4: the same as line 2"}},
		"NoColumn":       {"Date;Type;Payment;Order;Payout;Currency;Gross;Fee\n", []string{`line 1: there is no column "Net"; there are Date, Type, Payment, Order, Payout, Currency, Gross, Fee`}},
		"ColumnTwice":    {"Date;Type;Payment;Order;Payout;Currency;Gross;Fee;Net;Net\n", []string{`line 1: there are 2 columns "Net"`}},
		"ShortRow":       {plainHeader + "01.10.2026;Sale\n", []string{"line 2: wrong number of fields"}},
		"Quote":          {plainHeader + "01.10.2026;Sa\"le;p;o;P;EUR;1,00;;\n", []string{`line 2: bare " in non-quoted-field`}},
		"OtherCurrency":  {plainHeader + "01.10.2026;Sale;p;o;P;USD;1,00;;\n;Total;;;;EUR;0,00;;\n", []string{`line 2: the currency "USD" is none of EUR`}},
		"OtherTotal":     {plainHeader + sale + ";Total;;;;EUR;1.234,51;;\n", []string{`line 3: the total of "Gross" is 1234.51, and the lines add up to 1234.50`}},
		"NoTotal":        {plainHeader + sale, []string{`it has no row of totals (Type = "Total"): it is cut off, perhaps`}},
		"AfterTotal":     {plainHeader + sale + ";Total;;;;EUR;1.234,50;;\n" + refund, []string{"line 4: it stands after the row of totals"}},
		"GrossFeeNet":    {plainHeader + "01.10.2026;Sale;p;o;P;EUR;10,00;1,00;8,00\n;Total;;;;EUR;10,00;;\n", []string{"line 2: gross 10.00 and fee do not make net 8.00, but 9.00"}},
		"WrongSign":      {plainHeader + "01.10.2026;Refund;p;o;P;EUR;10,00;;\n;Total;;;;EUR;10,00;;\n", []string{"line 2: the sign of -10.00 is not that of a refund"}},
		"UnknownKind":    {plainHeader + "01.10.2026;Gift;p;o;P;EUR;10,00;;\n;Total;;;;EUR;10,00;;\n", []string{`line 2: the mapping does not say what the kind "Gift" is`, `line 3: the total of "Gross" is 10.00, and the lines add up to 0.00`}},
		"PointNotComma":  {plainHeader + "01.10.2026;Sale;p;o;P;EUR;1e3,0;;\n;Total;;;;EUR;0,00;;\n", []string{`line 2: column "Gross": "1e3,0": malformed amount: has an exponent`}},
		"TooManyDigits":  {plainHeader + "01.10.2026;Sale;p;o;P;EUR;1,005;;\n;Total;;;;EUR;0,00;;\n", []string{`line 2: column "Gross": "1,005": amount has 3 decimals, EUR has 2`}},
		"Date":           {plainHeader + "2026-10-01;Sale;p;o;P;EUR;1,00;;\n;Total;;;;EUR;0,00;;\n", []string{`line 2: the date "2026-10-01" is not like DD.MM.YYYY`}},
		"Card":           {plainHeader + "01.10.2026;Sale;4111111111111111;o;P;EUR;1,00;;\n;Total;;;;EUR;1,00;;\n", []string{"line 2: a reference is a payment card's number, which must not be kept"}},
		"LongReference":  {plainHeader + "01.10.2026;Sale;" + long + ";o;P;EUR;1,00;;\n;Total;;;;EUR;1,00;;\n", []string{"line 2: a reference of 300 bytes is longer than 255"}},
		"NothingInIt":    {"", []string{"line 1: it has no header: EOF"}},
		"NoLines":        {plainHeader + ";Total;;;;EUR;0,00;;\n", []string{"it has no lines"}},
		"TotalOfNothing": {plainHeader + sale + ";Total;;;;EUR;;;\n", []string{"line 3: the row of totals has no totals"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, shown(statements.Read("report.csv", []byte(c.text), mapping(t, plainMapping), "default"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRead_Encodings: a statement is the same statement in any encoding, and refused in one that it has not.
func TestRead_Encodings(t *testing.T) {
	t.Parallel()
	const text = "Date,Ref,Amount\n2026-10-01,Ordre n\u00e4r 7,12.50\n"
	const base = "gateway: decta\nside: gateway\ncurrencies: [EUR]\ncolumns: {references: [Ref], value_date: Date, gross: Amount}\nkinds: {\"+\": payment}\n"
	var wide []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		wide = append(wide, byte(unit), byte(unit>>8))
	}
	latin := []byte(strings.ReplaceAll(text, "\u00e4", "\xe4"))
	ids := map[string]bool{}
	for encoding, content := range map[string][]byte{"utf-8": []byte(text), "utf-16": wide, "windows-1252": latin, "iso-8859-1": latin, "windows-1257": latin} {
		s, err := statements.Read("x.csv", content, mapping(t, base+"encoding: "+encoding+"\n"), "default")
		if err != nil || len(s.Lines) != 1 || s.Lines[0].Reference() != "Ordre n\u00e4r 7" {
			t.Fatalf("%s: %v, %v", encoding, shown(s, nil), err)
		}
		ids[s.ID()] = true
	}
	if len(ids) != 1 {
		t.Errorf("the statement has %d names", len(ids))
	}
	for encoding, content := range map[string][]byte{"utf-8": latin, "utf-16": latin, "windows-1257": []byte("Date,Ref,Amount\n2026-10-01,\xa1,1\n"), "ebcdic": latin} {
		if s, err := statements.Read("x.csv", content, mapping(t, base+"encoding: "+encoding+"\n"), "default"); err == nil {
			t.Errorf("%s: %v", encoding, shown(s, nil))
		}
	}
}

func TestRead_RefusesMappings(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"Nothing": "", "Side": "gateway: decta\nside: shop\n", "Kind": plainMapping + "\nwindow_days: 1000\n",
		"Pattern": "gateway: decta\nside: bank\nreference_pattern: \"(\"\n", "Date": strings.Replace(plainMapping, "DD.MM.YYYY", "MM.YYYY", 1),
		"Delimiter": strings.Replace(plainMapping, `delimiter: ";"`, `delimiter: "::"`, 1), "Currency": strings.Replace(plainMapping, "[EUR]", "[EURO]", 1),
		"Thousands": strings.Replace(plainMapping, `thousands: "."`, `thousands: ","`, 1),
	} {
		m, err := statements.ParseMapping([]byte(text))
		if err == nil {
			_, err = statements.Read("x.csv", []byte(plainHeader), m, "default")
		}
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := statements.ParseMapping([]byte("gatway: decta\n")); err == nil {
		t.Error("a misspelt key is taken")
	}
}

// TestParseMapping_Bombs: a small text that grows when it is read is refused as it stands.
func TestParseMapping_Bombs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"gateway: decta\ncurrencies: &a [EUR]\n":                                "anchors",
		"kinds: &a {x: skip}\ncolumns: *a\n":                                    "anchors",
		"gateway: *decta\n":                                                     "anchors",
		"kinds:\n  <<: {Sale: payment}\n":                                       "anchors",
		"kinds: {<<: {Sale: payment}}\n":                                        "anchors",
		"currencies: " + strings.Repeat("[", 9) + strings.Repeat("]", 9) + "\n": "nests deeper",
		"# " + strings.Repeat("x", 64<<10) + "\n" + plainMapping:                "more than 65536",
	} {
		if _, err := statements.ParseMapping([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
	m := mapping(t, plainMapping+"\nreference_pattern: '[&*]{2}<<'\n")
	if m.ReferencePattern != "[&*]{2}<<" {
		t.Errorf("the pattern is %q", m.ReferencePattern)
	}
}

// TestRead_ManyReferences: what a file repeats without end is bounded while it is read.
func TestRead_ManyReferences(t *testing.T) {
	t.Parallel()
	var refs strings.Builder
	for i := range 40 {
		fmt.Fprintf(&refs, "<RmtInf><Strd><CdtrRefInf><Ref>R%d</Ref></CdtrRefInf></Strd></RmtInf>", i)
	}
	text := camt("053.001.08", "EUR", "0.00", "50.00", entry("50.00", "EUR", "CRDT", "<Sts>BOOK</Sts>", "", refs.String()))
	s, err := statements.Read("bank.xml", []byte(text), mapping(t, "gateway: everifin\n"), "default")
	if err != nil || len(s.Lines) != 1 || len(s.Lines[0].References) != 16 || s.Lines[0].References[15] != "R15" {
		t.Errorf("%v, %v", shown(s, err), err)
	}
	ids := strings.Replace(text, "<Id>S-1</Id>", strings.Repeat("<Id>S-1</Id>", 65), 1)
	want := []string{"line 3: the Ids of its statements have more than 255 bytes together"}
	if diff := cmp.Diff(want, shown(statements.Read("bank.xml", []byte(ids), mapping(t, "gateway: everifin\n"), "default"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	columns := strings.Replace(plainMapping, "[Payment, Order]", "["+strings.Repeat("Payment, ", 17)+"]", 1)
	if got := shown(statements.Read("x.csv", []byte(plainHeader), mapping(t, columns), "default")); len(got) != 1 || !strings.Contains(got[0], "17 columns") {
		t.Errorf("17 columns of references: %v", got)
	}
}

// TestRead_Exchange reads a report of an account in another currency: fee, net and totals are in that one.
func TestRead_Exchange(t *testing.T) {
	t.Parallel()
	const text = `
gateway: decta
side: gateway
currencies: [EUR, USD]
columns: {references: [Payment], kind: Type, value_date: Date, gross: Gross, currency: Currency, settled: Settled, settled_currency: Into, rate: Rate, fee: Fee, net: Net}
`
	const header = "Date,Type,Payment,Gross,Currency,Settled,Into,Rate,Fee,Net\n"
	for name, c := range map[string]struct{ rows, want string }{
		"Exchanged":  {"2026-10-03,payment,p1,100.00,EUR,108.42,USD,1.0842,2.00,106.42\n", `1@2 payment [p1] 2026-10-03 100.00 EUR came to 108.42 USD at "1.0842" inverse false fee 2.00 net 106.42`},
		"SameOne":    {"2026-10-03,payment,p1,100.00,EUR,100.00,EUR,1,2.00,98.00\n", "1@2 payment [p1] 2026-10-03 100.00 EUR fee 2.00 net 98.00"},
		"LeftOut":    {"2026-10-03,payment_reversal,p1,100.00,EUR,,,,,\n", "1@2 payment_reversal [p1] 2026-10-03 100.00 EUR"},
		"NetDiffers": {"2026-10-03,payment,p1,100.00,EUR,108.42,USD,1.0842,2.00,98.00\n", "line 2: gross 108.42 and fee do not make net 98.00, but 106.42"},
		"NoAmount":   {"2026-10-03,payment,p1,100.00,EUR,,USD,,,\n", `line 2: column "Settled" is empty, and column "Into" is not`},
		"Rate":       {"2026-10-03,payment,p1,100.00,EUR,108.42,USD,-1,,\n", `line 2: column "Rate": "-1" is no rate like 1.0842`},
		"Foreign":    {"2026-10-03,payment,p1,100.00,EUR,108.42,GBP,,,\n", `line 2: the currency "GBP" is none of EUR, USD`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff([]string{c.want}, shown(statements.Read("x.csv", []byte(header+c.rows), mapping(t, text), "default"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRead_Examples reads the mappings that the documentation shows.
func TestRead_Examples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "reconciliation", "*.yaml"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%d example mappings, %v", len(files), err)
	}
	rows := map[string]string{
		"decta":      "Value date;Type;Order ID;Order number;Payout;Currency;Gross;Fee;Net\n03.10.2026;Sale;o1;S-1;PO-1;EUR;1 096,56;1,90;1 094,66\n03.10.2026;Payout;;;PO-1;EUR;-1 094,66;;\n;Total;;;;EUR;1,90;1,90;\n",
		"everifin":   "Entry,End to end reference,Remittance,Value date,Currency,Amount\nE1,pay-1,,2026-10-03,EUR,96.56\nE2,pay-1,,2026-10-04,EUR,-10.00\n",
		"connectpay": "Payment id\tMerchant reference\tSettlement id\tOperation\tSettled at\tCurrency\tAmount\tCommission\np1\tS-1\tS1\tPAYMENT\t03/10/2026 04:05:06\tEUR\t1,096.56\t1.90\n",
		"bank":       camt("053.001.02", "EUR", "100.00", "500.00", entry("400.00", "EUR", "CRDT", "<Sts>BOOK</Sts>", "payout PO-1 of October")),
	}
	want := map[string][]string{
		"decta":      {"1@2 payment [o1 S-1] 2026-10-03 1096.56 EUR fee 1.90 net 1094.66", "2@3 payout [] 2026-10-03 1094.66 EUR"},
		"everifin":   {"1@2 payment [pay-1] 2026-10-03 96.56 EUR", "2@3 refund [pay-1] 2026-10-04 10.00 EUR"},
		"connectpay": {"1@2 payment [p1 S-1] 2026-10-03 1096.56 EUR fee 1.90"},
		"bank":       {"1@6 payout [PO-1] 2026-10-03 400.00 EUR"},
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[name], shown(statements.Read(name, []byte(rows[name]), mapping(t, string(text)), "default"))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func entry(amount, currency, indicator, status, text string, more ...string) string {
	return `<Ntry><Amt Ccy="` + currency + `">` + amount + `</Amt><CdtDbtInd>` + indicator + `</CdtDbtInd>` + status +
		`<BookgDt><Dt>2026-10-03</Dt></BookgDt><ValDt><Dt>2026-10-03</Dt></ValDt><NtryDtls><TxDtls>` + strings.Join(more, "") +
		`<RmtInf><Ustrd>` + text + `</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>` + "\n"
}

func camt(version, currency, opening, closing string, entries ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.` + version + `"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr>
<Stmt><Id>S-1</Id><Acct><Id><IBAN>LT121000011101001000</IBAN></Id><Ccy>` + currency + `</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="` + currency + `">` + opening + `</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="` + currency + `">` + closing + `</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>
` + strings.Join(entries, "") + `</Stmt></BkToCstmrStmt></Document>`
}

func TestRead_Camt(t *testing.T) {
	t.Parallel()
	const bookedNew, bookedOld, pending = "<Sts><Cd>BOOK</Cd></Sts>", "<Sts>BOOK</Sts>", "<Sts><Cd>PDNG</Cd></Sts>"
	refs := func(id string) string {
		return "<Refs><EndToEndId>" + id + "</EndToEndId><TxId>T" + id + "</TxId></Refs>"
	}
	paid := entry("50.00", "EUR", "CRDT", bookedNew, "Ada Byron thanks", refs("p1"))
	batch := `<Ntry><Amt Ccy="EUR">30.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><ValDt><DtTm>2026-10-04T10:00:00Z</DtTm></ValDt><AcctSvcrRef>B7</AcctSvcrRef><NtryDtls>` +
		`<TxDtls>` + refs("p2") + `<Amt Ccy="EUR">10.00</Amt></TxDtls><TxDtls>` + refs("NOTPROVIDED") + `<AmtDtls><TxAmt><Amt Ccy="EUR">20.00</Amt></TxAmt></AmtDtls>` +
		`<RmtInf><Strd><CdtrRefInf><Ref>RF18539007547034</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls></Ntry>` + "\n"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"Read": {camt("053.001.08", "EUR", "100.00", "140.00", paid, entry("10.00", "EUR", "DBIT", bookedOld, "", refs("r1")), entry("7.00", "EUR", "CRDT", pending, "")),
			[]string{"1@6 payment [p1 Tp1] 2026-10-03 50.00 EUR", "2@7 refund [r1 Tr1] 2026-10-03 10.00 EUR"}},
		"Batch":         {camt("053.001.02", "EUR", "0.00", "30.00", batch), []string{"1@6 payment [p2 Tp2] 2026-10-04 10.00 EUR", "2@6 payment [TNOTPROVIDED RF18539007547034] 2026-10-04 20.00 EUR"}},
		"Unbalanced":    {camt("053.001.08", "EUR", "100.00", "150.01", paid), []string{"line 3: opening balance 100.00 and entries of 50.00 make 150.00, and the closing balance is 150.01"}},
		"OtherCurrency": {camt("053.001.08", "EUR", "100.00", "150.00", strings.ReplaceAll(paid, "EUR", "USD")), []string{"line 6: it is in USD, and the account in EUR"}},
		"BatchDiffers":  {camt("053.001.02", "EUR", "0.00", "30.00", strings.Replace(batch, "20.00", "21.00", 1)), []string{"line 6: the transactions of the entry add up to 31.00, and it is 30.00"}},
		"BatchUntold":   {camt("053.001.02", "EUR", "0.00", "30.00", strings.Replace(batch, `<Amt Ccy="EUR">10.00</Amt>`, "", 1)), []string{"line 6: 1 of 2 transactions of the entry have no amount"}},
		"NoBalances":    {strings.ReplaceAll(camt("053.001.08", "EUR", "1.00", "51.00", paid), "OPBD", "XXXX"), []string{"line 3: the statement has no opening (OPBD) or no closing (CLBD) balance"}},
		"Twice":         {camt("053.001.08", "EUR", "100.00", "200.00", paid, paid), []string{"line 7: the same as line 6"}},
		"Indicator":     {camt("053.001.08", "EUR", "100.00", "100.00", strings.Replace(paid, "CRDT", "PLUS", 1)), []string{`line 6: CdtDbtInd "PLUS" is neither CRDT nor DBIT`}},
		"NoDate":        {camt("053.001.08", "EUR", "100.00", "150.00", strings.ReplaceAll(paid, "2026-10-03", "")), []string{"line 6: the entry has neither a value date nor a day of booking"}},
		"CutOff":        {camt("053.001.08", "EUR", "100.00", "150.00", paid)[:700], []string{"line 6: it is no XML: XML syntax error on line 6: unexpected EOF"}},
		"OtherMessage":  {`<Document><CstmrPmtStsRpt/></Document>`, []string{"it is neither camt.053 nor camt.054"}},
		"Encoding":      {strings.Replace(camt("053.001.08", "EUR", "100.00", "150.00", paid), "UTF-8", "EBCDIC", 1), []string{`line 1: it is no XML: xml: opening charset "EBCDIC": the encoding "EBCDIC" is not known`}},
		"Reversals": {camt("053.001.08", "EUR", "100.00", "60.00", strings.Replace(entry("50.00", "EUR", "DBIT", bookedNew, "", refs("p1")), "<Sts>", "<RvslInd>true</RvslInd><Sts>", 1),
			strings.Replace(entry("10.00", "EUR", "CRDT", bookedOld, "", refs("r1")), "<Sts>", "<RvslInd>true</RvslInd><Sts>", 1)),
			[]string{"1@6 payment_reversal [p1 Tp1] 2026-10-03 50.00 EUR", "2@7 refund_reversal [r1 Tr1] 2026-10-03 10.00 EUR"}},
		"Exchanged": {camt("053.001.08", "EUR", "0.00", "150.00",
			entry("100.00", "EUR", "CRDT", bookedNew, "", refs("p1"), `<AmtDtls><InstdAmt><Amt Ccy="USD">108.42</Amt></InstdAmt><TxAmt><Amt Ccy="USD">108.42</Amt><CcyXchg><SrcCcy>USD</SrcCcy><TrgtCcy>EUR</TrgtCcy><UnitCcy>EUR</UnitCcy><XchgRate>1.0842</XchgRate></CcyXchg></TxAmt></AmtDtls>`),
			entry("50.00", "EUR", "CRDT", bookedOld, "", refs("p2"), `<AmtDtls><InstdAmt><Amt Ccy="GBP">43.00</Amt><CcyXchg><UnitCcy>GBP</UnitCcy><XchgRate>1.16</XchgRate></CcyXchg></InstdAmt></AmtDtls>`)),
			[]string{`1@6 payment [p1 Tp1] 2026-10-03 108.42 USD came to 100.00 EUR at "1.0842" inverse true`, `2@7 payment [p2 Tp2] 2026-10-03 43.00 GBP came to 50.00 EUR at "1.16" inverse false`}},
		"ExchangedAtNoRate": {camt("053.001.08", "EUR", "0.00", "50.00", entry("50.00", "EUR", "CRDT", bookedOld, "", refs("p2"),
			`<AmtDtls><InstdAmt><Amt Ccy="GBP">43.00</Amt><CcyXchg><XchgRate>0</XchgRate></CcyXchg></InstdAmt></AmtDtls>`)), []string{"line 6: the rate 0 is not above zero"}},
		"Notification": {`<Document><BkToCstmrDbtCdtNtfctn><Ntfctn><Id>N1</Id><Acct><Id><IBAN>LT1</IBAN></Id></Acct>` + "\n" + paid + `</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>`,
			[]string{"1@2 payment [p1 Tp1] 2026-10-03 50.00 EUR"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, shown(statements.Read("bank.xml", []byte(c.text), mapping(t, "gateway: everifin\n"), "default"))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestRead_KeepsNoNames: what a bank says of people stays in the file.
func TestRead_KeepsNoNames(t *testing.T) {
	t.Parallel()
	s, err := statements.Read("bank.xml", []byte(camt("053.001.08", "EUR", "0.00", "50.00", entry("50.00", "EUR", "CRDT", "<Sts>BOOK</Sts>", "Ada Byron PO-7 LT121000011101001000"))),
		mapping(t, "gateway: everifin\nreference_pattern: 'PO-[0-9]+'\n"), "default")
	if err != nil || fmt.Sprint(s.Lines[0].References) != "[PO-7]" {
		t.Errorf("%v, %v", shown(s, err), err)
	}
	if text := fmt.Sprintf("%+v", s); strings.Contains(text, "Ada") || strings.Contains(text, "LT12") {
		t.Errorf("kept: %s", text)
	}
}

// FuzzRead_CSV and FuzzRead_Camt: whatever the bytes, reading does not panic, says the same every time, and
// every line that it lets through is one that the ledger can keep.
func FuzzRead_CSV(f *testing.F) {
	f.Add([]byte(plainHeader + "01.10.2026;Sale;p1;o1;PO-1;EUR;1.234,50;1,00;1.233,50\n;Total;;;;EUR;1.234,50;;\n"))
	f.Add([]byte("\xef\xbb\xbf" + plainHeader + "\"01.10.2026\";\"Refund\";;;;EUR;-1;;\n"))
	m := mapping(f, plainMapping)
	f.Fuzz(func(t *testing.T, content []byte) { checkRead(t, content, m) })
}

func FuzzRead_Camt(f *testing.F) {
	f.Add([]byte(camt("053.001.08", "EUR", "100.00", "150.00", entry("50.00", "EUR", "CRDT", "<Sts>BOOK</Sts>", "x"))))
	f.Add([]byte(`<Document><BkToCstmrDbtCdtNtfctn><Ntfctn>` + entry("1", "JPY", "DBIT", "<Sts><Cd>BOOK</Cd></Sts>", "x") + `</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>`))
	m := mapping(f, "gateway: everifin\n")
	f.Fuzz(func(t *testing.T, content []byte) { checkRead(t, content, m) })
}

func checkRead(t *testing.T, content []byte, m statements.Mapping) {
	first, err := statements.Read("f", content, m, "default")
	again, againErr := statements.Read("f", content, m, "default")
	if diff := cmp.Diff(shown(first, err), shown(again, againErr)); diff != "" {
		t.Fatalf("the same bytes mean two things:\n%s", diff)
	}
	var refused *statements.RefusedError
	if err != nil && !errors.As(err, &refused) {
		t.Fatalf("neither read nor refused: %v", err)
	}
	if err != nil {
		return
	}
	if _, err := settlement.ImportedOf(&first); err != nil {
		return // sums that nobody can write
	}
	for i := range first.Lines {
		if err := first.Lines[i].Check(); err != nil || first.Lines[i].Number != i+1 || first.Lines[i].FileLine < 1 {
			t.Fatalf("line %+v: %v", first.Lines[i], err)
		}
	}
}
