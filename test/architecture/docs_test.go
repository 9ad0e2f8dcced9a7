package architecture_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	code    = regexp.MustCompile("(?s)```.*?```")
	unnamed = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestDocs_LinksResolve follows every link of the documentation that stays in the repository, to the heading.
func TestDocs_LinksResolve(t *testing.T) {
	t.Parallel()
	pages := []string{filepath.Join(root, "README.md")}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		text := code.ReplaceAllString(readText(t, page), "")
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(found[1], "://") || strings.HasPrefix(found[1], "mailto:") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which is not there", page, found[1])
			} else if anchor != "" && !hasHeading(readText(t, file), anchor) {
				t.Errorf("%s links to %s, a heading that is not there", page, found[1])
			}
		}
	}
}

func hasHeading(text, anchor string) bool {
	for _, h := range heading.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
		if strings.ReplaceAll(unnamed.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadme_NumbersAreMeasured finds the README's rates in the page that says how they were measured.
func TestReadme_NumbersAreMeasured(t *testing.T) {
	t.Parallel()
	measured := readText(t, filepath.Join(root, "docs", "performance.md"))
	rates := regexp.MustCompile(`(\d{1,3}(?:,\d{3})+) (?:notifications/s|events/s|orders/s|to [\d,]+ events/s)`)
	found := rates.FindAllStringSubmatch(readText(t, filepath.Join(root, "README.md")), -1)
	if len(found) < 3 {
		t.Errorf("the README has %d rates", len(found))
	}
	for _, rate := range found {
		if number := rate[1]; !strings.Contains(measured, number) {
			t.Errorf("the README says %s, docs/performance.md does not", number)
		}
	}
}
