package order

import "time"

// clockSkewMax is how far a source's time may lie after our receipt of it
// before the source's clock is taken to be wrong.
const clockSkewMax = 24 * time.Hour

// isAbsurd tells whether a time that a source told cannot be true: it had not come by far when it was received.
func isAbsurd(told, received time.Time) bool {
	return !received.IsZero() && told.Sub(received) > clockSkewMax
}

// mark is up to when a source has told of something. An absurd time is kept apart: among the times that can be true it
// counts as its receipt, or all that happens afterwards would look old; but one wrong clock still orders what it tells.
type mark struct {
	at   time.Time
	told time.Time // the latest absurd one
}

// note moves the mark up to an event.
func (m *mark) note(e *Metadata) {
	m.at, m.told = latest(m.at, e.OccurredAt), latest(m.told, e.ToldAt)
}

// noteTime moves the mark up to a time that an event tells besides its own.
func (m *mark) noteTime(t time.Time, e *Metadata) {
	if received := e.received(); isAbsurd(t, received) {
		m.at, m.told = latest(m.at, received), latest(m.told, t)
		return
	}
	m.at = latest(m.at, t)
}

// versionMark is the newest version that a source told of something, by the same rule.
type versionMark struct {
	at     Version
	told   Version // the newest with an absurd time
	absurd bool    // at is that of told
}

func (m *versionMark) note(v Version, received time.Time) {
	newer := m.compare(v, received) > 0
	believed, absurd := v.believed(received)
	if newer {
		m.at, m.absurd = believed, absurd
	}
	if absurd && v.Compare(m.told) > 0 {
		m.told = v
	}
}

// set takes over the version of an amount that counts, whether or not it is the newest.
func (m *versionMark) set(v Version, received time.Time) {
	m.at, m.absurd = v.believed(received)
	if m.absurd && v.Compare(m.told) > 0 {
		m.told = v
	}
}

// compare returns -1, 0 or +1 as a version that was received at a time is older than, as old as, or newer than the mark.
func (m *versionMark) compare(v Version, received time.Time) int {
	believed, absurd := v.believed(received)
	if !absurd || m.told == (Version{}) {
		return believed.Compare(m.at)
	}
	switch c := v.Compare(m.told); {
	case m.absurd:
		return c
	case c <= 0: // something newer came since
		return -1
	}
	return believed.Compare(m.at)
}

// believed is the version with the receipt in place of absurd times, if there are any.
func (v Version) believed(received time.Time) (believed Version, absurd bool) {
	believed = v
	for _, t := range []*time.Time{&believed.IssuedAt, &believed.ModifiedAt} {
		if isAbsurd(*t, received) {
			*t, absurd = received, true
		}
	}
	return believed, absurd
}
