package order

import "time"

// believed is the time of a fact as far as it can be true: the receipt where it cannot.
func (d *decider) believed(told time.Time) time.Time {
	if isAbsurd(told, d.receivedAt) {
		return d.receivedAt
	}
	return told
}

// after tells whether a source told a time after all that the mark knows; one that it does not tell is not.
func (d *decider) after(t time.Time, m mark) bool {
	if isAbsurd(t, d.receivedAt) {
		return t.After(m.told)
	}
	return t.After(m.at)
}
