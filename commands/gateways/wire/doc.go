// Package wire reads the JSON bodies of gateways and keeps of them what may be kept.
//
// [Parse] takes a body apart once. The [Value] it returns is walked by member names and read with
// methods that say what the translator expects: an id, an amount, a time. A reader is tolerant of
// absence (a member that is missing or null reads as "nothing said") and strict about content: a
// wrong type or a number that is no plain decimal is a [*FieldError] that names the path. Numbers
// stay the bytes that were sent until money.ParseToken judges them; no float is ever made.
//
// Parse accepts what encoding/json accepts, with two differences that matter for foreign input.
// An object that has a member twice is refused, because two readers of such a body (the sender's
// signature check and ours, say) may each believe another of the two. And nesting and the number
// of values are bounded, so that a body of a megabyte costs no more than it should.
//
// An [AllowList] copies the members that are known to hold no personal data into a new compact
// body: the evidence that is stored with an event.
package wire
