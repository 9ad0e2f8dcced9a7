package cardguard_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/order-ledger/order-ledger/commands/gateways/cardguard"
)

// testCards are numbers that the schemes and acquirers publish for tests.
var testCards = []string{
	"4111111111111111", "4012888888881881", "4222222222222", "4000000000000000006", // Visa
	"5555555555554444", "5105105105105100", "2221000000000009", "2720990000000007", // Mastercard
	"378282246310005", "371449635398431", "340000000000009", // American Express
	"30569309025904", "38520000023237", "36227206271667", // Diners Club
	"6011111111111117", "6011000990139424", "6445644564456445", // Discover
	"3530111333300000", "3566002020360505", // JCB
	"6759649826438453", "5000550000000029", "6304000000000000", // Maestro
	"6200000000000005", "6250947000000014", "8171999927660000", // UnionPay
	"2200000000000053", "6521111111111110", "9792030000000000", // Mir, RuPay, Troy
}

func TestFind_TestCards(t *testing.T) {
	t.Parallel()
	for _, pan := range testCards {
		for name, text := range map[string]string{
			"alone":                     pan,
			"number":                    `{"pan":` + pan + `}`,
			"string":                    `{"pan":"` + pan + `"}`,
			"name":                      `{"` + pan + `":1}`,
			"in words":                  `{"note":"paid with ` + pan + `, thanks"}`,
			"beside letters":            `{"note":"PAN` + pan + `EUR"}`,
			"after digits":              `{"note":"order 12 ` + pan + ` 7"}`,
			"with code":                 `{"note":"` + pan + ` 123"}`,
			"as decimal":                `{"pan":` + pan + `.0}`,
			"in an array":               `[417,` + pan + `,1]`,
			"under an id":               `{"id":"6f2c1d7e-0b1a-4f7e-9a51-3f6f0f1c2a10","p":"` + pan + `"}`,
			"escaped":                   `{"note":"` + escape(pan) + `"}`,
			"after newline":             `{"note":"card:\n` + pan + `\t"}`,
			"after an uncertain letter": `{"note":"ud ` + pan + `"}`,
		} {
			hits := cardguard.Find([]byte(text))
			if len(hits) != 1 {
				t.Errorf("%s: %s: hits %v", name, text, hits)
				continue
			}
			found := text[hits[0].Start:hits[0].End]
			if name != "escaped" && found != pan {
				t.Errorf("%s: %s: found %s", name, text, found)
			}
		}
	}
}

func escape(digits string) string {
	var b strings.Builder
	for i, c := range digits {
		if i%3 == 0 {
			fmt.Fprintf(&b, `\u%04x`, c)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

func TestFind_Grouped(t *testing.T) {
	t.Parallel()
	for _, number := range []string{
		"4111 1111 1111 1111", "4111-1111-1111-1111", "4111 1111-1111 1111", "41 11 11 11 11 11 11 11", "411111 1111111111", "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
		"3782 822463 10005", "3056 930902 5904", "4000 0000 0000 0000 006", `4111\u00201111\u002d1111\u002D1111`, "6759 6498 2643 8453",
		"4111.1111.1111.1111", "4111/1111/1111/1111", "4111_1111_1111_1111", "4111  1111  1111  1111", "4111 - 1111 - 1111 - 1111", `4111\n1111\t1111\n1111`, "3782.822463.10005",
	} {
		for _, text := range []string{number, `{"note":"` + number + `"}`, `{"note":"card ` + number + `."}`} {
			hits := cardguard.Find([]byte(text))
			if len(hits) != 1 || text[hits[0].Start:hits[0].End] != number {
				t.Errorf("%s: hits %v", text, hits)
			}
		}
	}
	for text, want := range map[string][]string{
		"12 4111 1111 1111 1111":                                     {"4111 1111 1111 1111"},
		"4111 1111 1111 1111 123":                                    {"4111 1111 1111 1111"},
		"417 3782 822463 10005 11":                                   {"3782 822463 10005"},
		"4111111111111111 5555555555554444":                          {"4111111111111111", "5555555555554444"},
		"5105105105105100,4111111111111111":                          {"5105105105105100", "4111111111111111"},
		"2026/11/29 4111.1111.1111.1111":                             {"4111.1111.1111.1111"},
		"12 - 41 11 11 11 11 11 11 11":                               {"41 11 11 11 11 11 11 11"},
		`"\u00A44111111111111111","\u20144111111111111111"`:          {"4111111111111111", "4111111111111111"},
		strings.Repeat("1 ", 100) + "4111111111111111":               {"4111111111111111"},
		"20 26 " + "4111 1111 1111 1111 " + strings.Repeat("7 ", 60): {"4111 1111 1111 1111"},
	} {
		var got []string
		for _, hit := range cardguard.Find([]byte(text)) {
			got = append(got, text[hit.Start:hit.End])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: found %q", text, got)
		}
	}
}

// Find jumps over bytes and keeps only the last groups of digits: neither may lose a number,
// wherever it begins.
func TestFind_AtEveryOffset(t *testing.T) {
	t.Parallel()
	for n := range 100 {
		for _, filler := range []string{" ", "x", "x ", "1,", "12345678;", `\u`} {
			text := strings.Repeat(filler, n) + ";4222222222222;"
			if hits := cardguard.Find([]byte(text)); len(hits) != 1 {
				t.Errorf("after %d times %q: hits %v", n, filler, hits)
			}
		}
		text := strings.Repeat("1 ", n) + "4111 1111 1111 1111"
		if hits := cardguard.Find([]byte(text)); len(hits) != 1 || hits[0].Start != 2*n {
			t.Errorf("after %d groups: hits %v", n, hits)
		}
	}
}

func TestFind_LetsPass(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":                 ``,
		"short":                   `411111111111`,
		"wrong check digit":       `{"pan":4111111111111112}`,
		"no issuer":               `{"n":1234567812345670,"m":"7111111111111113","z":"0000000000000000"}`,
		"Visa of 14 digits":       `"40000000000002"`,
		"Mastercard of 15 digits": `"510510510510513"`,
		"masked":                  `{"card_masked_pan":"411111******1111","b":"4111 11XX XXXX 1111","c":"41111111....1111"}`,
		"acquirer reference":      `{"arn":"74537606324000000012345"}`,
		"20 digits":               `"41111111111111111117"`,
		"unix time":               `{"issued":1795132800,"ms":1795132800000,"us":1795132800000000,"ns":1795132800000000000}`,
		"ISO time":                `{"at":"2026-11-20T10:05:59.895Z","b":"2026-11-20 2026-11-21"}`,
		"UUID of digits":          `{"id":"41111111-1111-1111-4111-111111111111"}`,
		"UUID like a card":        `{"id":"` + uuidLike(t) + `"}`,
		"hexadecimal digest":      `"4111111111111111` + strings.Repeat("a", 48) + `"`,
		"hexadecimal id":          `"ab4111111111111111abcdefabcdefab"`,
		"compact IBAN":            `{"iban":"LT601010012345678901","b":"DE89370400440532013000","c":"SK3112000000198742637541"}`,
		"IBAN that looks Maestro": `"` + ibanLike(t, "LT") + `"`,
		"grouped IBAN":            `"` + grouped(ibanLike(t, "DE")) + `"`,
		"article number":          `{"ean":"` + articleLike(t) + `"}`,
		"float noise":             `{"total":` + noiseLike(t) + `}`,
		"two odd separators":      `"41  11  11  11  11  11  11  11"`,
		"odd dots":                `"41.11.11.11.11.11.11.11","v":"4.111.1111.111111.11"`,
		"end of an escape":        `"\u00A4111111111111111","b":"\u0E4111111111111111","c":"\u41111111111111111"`,
		"escaped backslash":       `"\\u0034111111111111111"`,
		"lone escape":             `"\u0034111111111111`,
	} {
		if hits := cardguard.Find([]byte(text)); hits != nil {
			t.Errorf("%s: %s: found %q", name, text, text[hits[0].Start:hits[0].End])
		}
	}
}

// passesLuhn is written differently from the package's own.
func passesLuhn(digits string) bool {
	sum := 0
	for i := range digits {
		digit, _ := strconv.Atoi(digits[len(digits)-1-i : len(digits)-i])
		sum += []int{digit, digit*2/10 + digit*2%10}[i%2]
	}
	return sum%10 == 0
}

// ibanLike returns a valid IBAN that would pass for a card without its letters: whole for LT, in its
// groups for DE.
func ibanLike(t *testing.T, country string) string {
	t.Helper()
	for n := range 1_000_000 {
		account := fmt.Sprintf("10100%011d", n)
		if country == "DE" {
			account = fmt.Sprintf("411111111111%06d", n)
		}
		rest := 0
		for _, c := range account + map[string]string{"LT": "2129", "DE": "1314"}[country] + "00" {
			rest = (rest*10 + int(c-'0')) % 97
		}
		check := fmt.Sprintf("%02d", 98-rest)
		card := check + account
		if country == "DE" {
			card = account[:16]
		}
		if strings.ContainsAny(card[:1], "46") && passesLuhn(card) && (country == "DE" || strings.HasPrefix(card, "6")) {
			return country + check + account
		}
	}
	t.Fatal("no IBAN found")
	return ""
}

func grouped(iban string) string {
	return strings.Join(slices.Collect(func(yield func(string) bool) {
		for chunk := range slices.Chunk([]byte(iban), 4) {
			if !yield(string(chunk)) {
				return
			}
		}
	}), " ")
}

// uuidLike returns a UUID whose first three groups would pass for a card.
func uuidLike(t *testing.T) string {
	t.Helper()
	for n := range 1000 {
		if third := fmt.Sprintf("4%03d", n); passesLuhn("411111111111" + third) {
			return "41111111-1111-" + third + "-a111-111111111111"
		}
	}
	t.Fatal("no UUID found")
	return ""
}

// articleLike returns an EAN-13 that has a Visa's first and check digit too.
func articleLike(t *testing.T) string {
	t.Helper()
	for n := range 1000 {
		article := fmt.Sprintf("400638133%03d", n)
		sum := 0
		for i, c := range article {
			sum += int(c-'0') * (1 + 2*(i%2))
		}
		if article += strconv.Itoa((10 - sum%10) % 10); passesLuhn(article) {
			return article
		}
	}
	t.Fatal("no article number found")
	return ""
}

// noiseLike returns an amount whose decimals have a card's first and check digit.
func noiseLike(t *testing.T) string {
	t.Helper()
	for n := range 100 {
		if decimals := fmt.Sprintf("300000000000000%02d", n); passesLuhn(decimals) {
			return "0." + decimals
		}
	}
	t.Fatal("no noise found")
	return ""
}

func TestFind_RealBodiesAreClean(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatal("no sample bodies", err)
	}
	for _, name := range names {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if hits := cardguard.Find(body); hits != nil {
			t.Errorf("%s: found %q", name, body[hits[0].Start:hits[0].End])
		}
	}
}

func TestFind_RandomIDsPass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte{0x41, 0x11, 0x55, 0x44})), 16, 16).Draw(t, "id")
		id := hex.EncodeToString(raw)
		uuid := id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
		if hits := cardguard.Find([]byte(`{"id":"` + uuid + `"}`)); hits != nil {
			t.Fatalf("%s is no card number", uuid)
		}
	})
}

// A number planted anywhere in a string of a document is found, and masking leaves nothing of it,
// leaves the rest alone and the document valid.
func TestMask_PlantedNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pan := rapid.SampledFrom(testCards).Draw(t, "pan")
		written := rapid.SampledFrom([]string{pan, escape(pan), pan[:4] + " " + pan[4:], strings.Join(strings.Split(pan, ""), "-")}).Draw(t, "written")
		// Capitals right before it could make an IBAN of it.
		before := rapid.StringMatching(`([a-zA-Z €"\\/\n.:,]*[a-z €"\\/\n.:,])?`).Draw(t, "before")
		after := rapid.StringMatching(`[a-zA-Z €"\\/\n:,]*`).Draw(t, "after")
		quote := func(text string) string {
			quoted, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			return string(quoted[1 : len(quoted)-1])
		}
		body := `{"a":1795132800,"note":"` + quote(before) + written + quote(after) + `","b":[1.5,"x"]}`
		if !json.Valid([]byte(body)) {
			t.Fatalf("the test makes invalid JSON: %s", body)
		}
		masked, n := cardguard.Mask([]byte(body))
		if n != 1 || !json.Valid(masked) || cardguard.Find(masked) != nil {
			t.Fatalf("%s\nmasked %d: %s", body, n, masked)
		}
		head, tail, found := strings.Cut(body, written)
		if !found || !strings.HasPrefix(string(masked), head) || !strings.HasSuffix(string(masked), tail) {
			t.Fatalf("%s\nmasked: %s", body, masked)
		}
		rest := string(masked[len(head) : len(masked)-len(tail)])
		if kept := strings.Map(keepDigits, rest); kept != pan[len(pan)-4:] || strings.Count(rest, "*") != len(pan)-4 {
			t.Fatalf("%s is masked as %s", written, rest)
		}
	})
}

func keepDigits(r rune) rune {
	if '0' <= r && r <= '9' {
		return r
	}
	return -1
}

func TestMask(t *testing.T) {
	t.Parallel()
	cases := []struct {
		body, want string
		n          int
	}{
		{`{"a":1}`, `{"a":1}`, 0},
		{`{"pan":4111111111111111}`, `{"pan":"************1111"}`, 1},
		{`{"pan":-4111111111111111.50}`, `{"pan":"-************1111.50"}`, 1},
		{`[ 4111111111111111 , "5555 5555 5555 4444"]`, `[ "************1111" , "**** **** **** 4444"]`, 2},
		{`{"4111111111111111":null}`, `{"************1111":null}`, 1},
		{`4111111111111111`, `"************1111"`, 1},
		{`{"a":"\"4111111111111111\"","b":4111111111111111}`, `{"a":"\"************1111\"","b":"************1111"}`, 2},
		{`[4111111111111111+5555555555554444]`, `["************1111+************4444"]`, 2},
		{`not JSON: 4111-1111-1111-1111`, `not JSON: "****-****-****-1111"`, 1},
		{"378282246310005", `"***********0005"`, 1},
		{`"IA4111111111111111"`, `"IA************1111"`, 1}, // right check digits, and no issuer of IBANs
	}
	for _, tc := range cases {
		masked, n := cardguard.Mask([]byte(tc.body))
		if n != tc.n || string(masked) != tc.want {
			t.Errorf("%s: masked %d: %s", tc.body, n, masked)
		}
	}
	body := []byte(`{"a":1}`)
	if masked, _ := cardguard.Mask(body); &masked[0] != &body[0] {
		t.Error("a clean body is copied")
	}
	body = []byte(`"4111111111111111"`)
	if _, n := cardguard.Mask(body); n != 1 || string(body) != `"4111111111111111"` {
		t.Error("the body itself was changed")
	}
}
