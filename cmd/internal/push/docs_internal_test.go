package push

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNames_Documented: the page for receivers names every event that they can get, and no other.
func TestNames_Documented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(text), "Names of events:")
	list, _, _ = strings.Cut(list, "Any 2xx")
	if !found {
		t.Fatal("the page has no list of names")
	}
	var documented []string
	for _, group := range regexp.MustCompile("`([a-z]+)\\.([a-z_|]+)`").FindAllStringSubmatch(list, -1) {
		for word := range strings.SplitSeq(group[2], "|") {
			documented = append(documented, group[1]+"."+word)
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(Names(), slices.Compact(documented)); diff != "" {
		t.Errorf("docs/webhooks.md (-code +page):\n%s", diff)
	}
}
