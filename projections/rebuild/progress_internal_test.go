package rebuild

import (
	"testing"
	"time"
)

// A long step of a stage, an index for one, counts nothing until it ends; how far the work is is told meanwhile.
func TestMeter_TellsWhileNothingIsCounted(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var told []Progress
	m := newMeter(func() time.Time { return now }, func(p Progress) { told = append(told, p) }, func() bool { return true })
	if m.now(); len(told) != 0 {
		t.Errorf("told before the first stage: %+v", told)
	}
	m.begin(Indexing, 4, 1, 0)
	if m.now(); len(told) != 1 {
		t.Errorf("told too often: %+v", told)
	}
	now = now.Add(toldEvery)
	m.now()
	if len(told) != 2 || told[1].Stage != string(Indexing) || told[1].Done != 1 || !told[1].GivesWay {
		t.Errorf("%+v", told)
	}
}
