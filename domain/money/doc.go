// Package money holds exact amounts of one currency.
//
// An amount is a decimal in major units ("12.50" is twelve and a half), never a float and never
// rounded: a value that has more decimals than ISO 4217 gives its currency is an error, not a
// shorter value. Amounts of different currencies are never added or compared. Inside, an amount is its number of
// minor units wherever an int64 holds that, because every event is added up when projections are rebuilt, and a
// decimal of any size where not.
//
// Three doors lead in, each as strict as its source is foreign:
//
//   - [ParseToken] reads one raw JSON token of a gateway's body;
//   - [Parse] and [Money.UnmarshalJSON] read the ledger's own text;
//   - [New] checks a decimal that is already one.
//
// Every error of this package has a method Code() string with the code that a refusal, a flag or
// a quarantined notification carries; [Code] finds it in a chain of wrapped errors. No error
// repeats the text that it refuses, because that text may be a card number.
package money
