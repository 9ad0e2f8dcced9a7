package projections_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRunner_ProjectsEverything(t *testing.T) {
	t.Parallel()
	log, url := newLog(t), newDatabase(t)
	pool := newPool(t, url)
	appendAll(t, log, newWorld(1).history(t, 40, 400))
	start(t, config(log, url))
	reach(t, log, pool)
	text := dump(t, pool)
	if diff := cmp.Diff("", text); diff == "" {
		t.Fatal("nothing was projected")
	}
	t.Log(len(text))
}
