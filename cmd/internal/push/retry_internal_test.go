package push

import (
	"fmt"
	"testing"
	"time"
)

func TestPolicy_Fixed(t *testing.T) {
	t.Parallel()
	p := Policy{}.withDefaults()
	for attempt := 1; attempt <= 6; attempt++ {
		pause, again := p.next(attempt, "id")
		if again != (attempt <= 5) || (again && pause != time.Minute) {
			t.Errorf("after attempt %d: %s, %v; want five retries, one a minute", attempt, pause, again)
		}
	}
	none := 0
	if _, again := (Policy{Retries: &none}).withDefaults().next(1, "id"); again {
		t.Error("retries: 0 retries")
	}
}

// TestPolicy_Exponential: pauses double up to the greatest, and each is shortened by less than a fifth, not by
// the same for all.
func TestPolicy_Exponential(t *testing.T) {
	t.Parallel()
	retries := 20
	p := Policy{Strategy: Exponential, Retries: &retries, Interval: 10 * time.Second, Max: time.Hour}.withDefaults()
	if err := p.validate(); err != nil {
		t.Fatal(err)
	}
	full := 10 * time.Second
	for attempt := 1; attempt <= retries; attempt++ {
		pauses := map[time.Duration]bool{}
		least, most := full, time.Duration(0)
		for i := range 200 {
			id := fmt.Sprint("delivery-", i)
			pause, again := p.next(attempt, id)
			if same, _ := p.next(attempt, id); !again || same != pause {
				t.Fatalf("after attempt %d: %v, then %s and %s", attempt, again, pause, same)
			}
			pauses[pause] = true
			least, most = min(least, pause), max(most, pause)
		}
		if least <= full*4/5 || most > full || most < full*19/20 || least > full*17/20 || len(pauses) < 100 {
			t.Errorf("after attempt %d: %d pauses from %s to %s of %s", attempt, len(pauses), least, most, full)
		}
		full = min(full*2, time.Hour)
	}
	if _, again := p.next(retries+1, "id"); again {
		t.Error("it goes on after the last retry")
	}
}

func TestPolicy_Validate(t *testing.T) {
	t.Parallel()
	number := func(n int) *int { return &n }
	for name, p := range map[string]Policy{
		"negative retries": {Retries: number(-1)}, "too many": {Retries: number(101)}, "too fast": {Interval: time.Millisecond},
		"strategy": {Strategy: "never"}, "max below interval": {Strategy: Exponential, Interval: time.Hour, Max: time.Minute},
	} {
		if err := p.withDefaults().validate(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
