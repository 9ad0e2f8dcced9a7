package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/order-ledger/order-ledger/domain/money"
)

const (
	// MaxIDBytes is the longest id that is accepted; the longest that a gateway documents.
	MaxIDBytes = 255
	// maxUnixSeconds is the end of the year 9999, the last that RFC 3339 can write.
	maxUnixSeconds = 253402300799
)

// FieldError says which member of a body could not be read, and why.
type FieldError struct {
	Path string
	Err  error // never repeats the member's content
}

func (e *FieldError) Error() string {
	if e.Path == "" {
		return "body " + e.Err.Error()
	}
	return "member " + e.Path + " " + e.Err.Error()
}

func (e *FieldError) Unwrap() error { return e.Err }

// Code returns the code of an amount's error, else malformed_body.
func (e *FieldError) Code() string {
	if code := money.Code(e.Err); code != "" {
		return code
	}
	return "malformed_body"
}

var (
	errMissing  = errors.New("is missing")
	errNoTime   = errors.New("is not a time")
	errTimeSpan = errors.New("is not a time between the years 1970 and 9999")
)

func (v Value) fail(err error) error { return &FieldError{Path: v.Path(), Err: err} }

func (v Value) wrongKind(want string) error {
	return v.fail(fmt.Errorf("is %s, want %s", v.Kind(), want))
}

// Required returns an error that names the path unless the value is present.
func (v Value) Required() error {
	if v.Present() {
		return nil
	}
	return v.fail(errMissing)
}

// Text returns a string, or "" when the value is missing or null. Bytes that are no UTF-8 and NUL
// are U+FFFD in it.
func (v Value) Text() (string, error) {
	switch v.Kind() {
	case Missing, Null:
		return "", nil
	case String:
		return v.text(), nil
	default:
		return "", v.wrongKind("a string")
	}
}

// ID returns an identifier: a string without the blanks around it, or the digits of a whole number,
// for some gateways count their orders. It is "" when the value is missing or null, or blank. An id
// of more than [MaxIDBytes], or with a character that cannot be printed, is an error: ids become
// names of streams.
func (v Value) ID() (string, error) {
	switch v.Kind() {
	case Missing, Null:
		return "", nil
	case Number:
		for _, c := range v.token() {
			if c < '0' || c > '9' {
				return "", v.fail(errors.New("is a number that is no id"))
			}
		}
		if len(v.token()) > MaxIDBytes {
			return "", v.fail(fmt.Errorf("is an id of more than %d bytes", MaxIDBytes))
		}
		return string(v.token()), nil
	case String:
		id := strings.TrimSpace(v.text())
		if len(id) > MaxIDBytes {
			return "", v.fail(fmt.Errorf("is an id of more than %d bytes", MaxIDBytes))
		}
		for _, r := range id {
			if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
				return "", v.fail(errors.New("is an id with a character that cannot be printed"))
			}
		}
		return id, nil
	default:
		return "", v.wrongKind("an id")
	}
}

// Label returns a short text that some gateways send as a number, such as the reason code 10.4: the
// text of a string, or the number as it was sent. It is "" when the value is missing or null.
func (v Value) Label() (string, error) {
	if v.Kind() == Number {
		return string(v.token()), nil
	}
	return v.Text()
}

// Bool returns a boolean, false when the value is missing or null.
func (v Value) Bool() (bool, error) {
	switch v.Kind() {
	case Missing, Null:
		return false, nil
	case Bool:
		return v.token()[0] == 't', nil
	default:
		return false, v.wrongKind("a boolean")
	}
}

// Int returns a whole number, 0 when the value is missing or null.
func (v Value) Int() (int64, error) {
	switch v.Kind() {
	case Missing, Null:
		return 0, nil
	case Number:
		n, err := strconv.ParseInt(string(v.token()), 10, 64)
		if err != nil {
			return 0, v.fail(errors.New("is no whole number of 64 bits"))
		}
		return n, nil
	default:
		return 0, v.wrongKind("a whole number")
	}
}

// Money returns an amount of major units, a number or a string, or nil when the value is missing or
// null. The errors are those of [money.ParseToken] in a [*FieldError].
func (v Value) Money(c money.Currency) (*money.Money, error) {
	if !v.Present() {
		return nil, nil
	}
	m, err := money.ParseToken(v.token(), c)
	if err != nil {
		return nil, v.fail(fmt.Errorf("is no amount: %w", err))
	}
	return &m, nil
}

// Currency returns a currency, the zero Currency when the value is missing or null. Blanks around
// the code and lower-case letters are forgiven.
func (v Value) Currency() (money.Currency, error) {
	code, err := v.Text()
	if err != nil || !v.Present() {
		return money.Currency{}, err
	}
	c, err := money.ParseCurrency(strings.ToUpper(strings.TrimSpace(code)))
	if err != nil {
		return money.Currency{}, v.fail(fmt.Errorf("is no currency: %w", err))
	}
	return c, nil
}

// UnixTime returns a time that was sent as whole seconds since 1970, in UTC. It is the zero Time
// when the value is missing, null or 0, with which gateways say "not yet".
func (v Value) UnixTime() (time.Time, error) {
	if !v.Present() {
		return time.Time{}, nil
	}
	if v.Kind() != Number {
		return time.Time{}, v.wrongKind("seconds since 1970")
	}
	// 1795140012.0 is what a language without integers makes of a whole number of seconds.
	digits, fraction, _ := strings.Cut(string(v.token()), ".")
	seconds, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || strings.Trim(fraction, "0") != "":
		return time.Time{}, v.fail(errNoTime)
	case seconds < 0 || seconds > maxUnixSeconds:
		return time.Time{}, v.fail(errTimeSpan)
	case seconds == 0:
		return time.Time{}, nil
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// Time returns a time that was sent as ISO 8601 text with its distance from UTC, in UTC and with
// the precision that it was sent with, up to nanoseconds. It is the zero Time when the value is
// missing, null or blank. A time without a distance is an error: guessing it may be hours wrong.
func (v Value) Time() (time.Time, error) {
	text, err := v.Text()
	if text = strings.TrimSpace(text); err != nil || text == "" {
		return time.Time{}, err
	}
	at, err := ParseTime(text)
	if err != nil {
		return time.Time{}, v.fail(err)
	}
	return at, nil
}

// ParseTime reads what [Value.Time] reads, from a header for example.
func ParseTime(text string) (time.Time, error) {
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		at, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if at = at.UTC(); at.Unix() < 0 || at.Unix() > maxUnixSeconds {
			return time.Time{}, errTimeSpan
		}
		return at, nil
	}
	return time.Time{}, errNoTime
}
