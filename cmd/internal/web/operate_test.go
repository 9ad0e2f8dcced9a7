package web_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/cmd/internal/app"
	"github.com/order-ledger/order-ledger/cmd/internal/config"
	"github.com/order-ledger/order-ledger/eventstore"
)

// lakeManifest is a signed manifest of a lake.
func lakeManifest(t *testing.T, key ed25519.PrivateKey, lake string, number int) string {
	t.Helper()
	members := map[string]any{"what": "lake", "lake": lake, "number": number, "public_key": base64.StdEncoding.EncodeToString(key[ed25519.SeedSize:])}
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	members["signature"] = base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))
	if text, err = json.Marshal(members); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestExports_OnlyProvenManifests: what is no manifest that this ledger signed, or older than what is recorded, is
// refused, and what an earlier version took does not stand in the way of what counts.
func TestExports_OnlyProvenManifests(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	own, err := app.ExportKey(s.ledger.Settings)
	if err != nil {
		t.Fatal(err)
	}
	foreign := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	for _, bad := range []string{
		`{"manifest":{"lake":5}}`, `{"manifest":{"lake":"l","number":9,"signature":"x"}}`, `{"manifest":` + lakeManifest(t, foreign, "l", 1_000_000) + `}`,
	} {
		event := eventstore.EventData{ID: uuid.New(), Type: "ExportProduced", JSON: true, Data: []byte(bad), Metadata: []byte("{}")}
		if _, err := s.ledger.Store.Append(t.Context(), "exports-default", eventstore.Any, event); err != nil {
			t.Fatal(err)
		}
	}
	post := func(manifest string) (int, string) {
		status, _, text := s.call(http.MethodPost, "/exports", `{"actor":"kim","manifest":`+manifest+`}`, "Authorization", "Bearer "+owner)
		return status, text
	}
	recorded := func() (mark struct{ Number int }) {
		s.must(&mark, http.MethodGet, "/exports/lakes/l", "")
		return mark
	}
	if got := recorded(); got.Number != 1_000_000 {
		t.Errorf("of what was recorded by another key the newest counts, and what is unproven does not: %+v", got)
	}
	second := lakeManifest(t, own, "l", 2)
	if status, text := post(second); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	for name, manifest := range map[string]string{
		"Number": `{"lake":5}`, "Kind": `{"what":"lake","lake":5}`, "Unsigned": `{"range":"all"}`, "Array": `[1]`,
		"Lower": lakeManifest(t, own, "l", 1), "Changed": strings.Replace(second, `"number":2`, `"number":3`, 1), "Zero": lakeManifest(t, own, "l", 0),
		"Foreign": lakeManifest(t, foreign, "l", 3), "ForeignOfAnother": lakeManifest(t, foreign, "m", 1),
	} {
		if status, text := post(manifest); status != http.StatusBadRequest || !strings.Contains(text, "export_invalid") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if got := recorded(); got.Number != 2 {
		t.Errorf("recorded is %+v", got)
	}
}

// TestBackup_Where: operators have backups made in the configured folder only, nobody in the data directory.
func TestBackup_Where(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	backups, elsewhere := filepath.Join(root, "backups"), filepath.Join(root, "elsewhere")
	for _, dir := range []string{backups, elsewhere} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(elsewhere, filepath.Join(backups, "link")); err != nil {
		t.Fatal(err)
	}
	s, unconfigured := openShop(t, configured(t, "backups: "+backups+"\n")), openShop(t)
	for _, c := range []struct {
		shop   *shop
		token  string
		dir    string
		status int
	}{
		{s, s.token, filepath.Join(elsewhere, "a"), 400},
		{s, s.token, filepath.Join(backups, "link", "a"), 400},
		{s, s.token, backups + "/../elsewhere/a", 400},
		{s, s.token, filepath.Join(s.ledger.Settings.DataDir, "a"), 400},
		{s, s.token, filepath.Join(backups, "a"), 200},
		{s, owner, filepath.Join(elsewhere, "b"), 200},
		{s, owner, filepath.Join(s.ledger.Settings.DataDir, "a"), 400},
		{s, owner, filepath.Join(s.ledger.Settings.KeysDir(), "a"), 400},
		{unconfigured, unconfigured.token, filepath.Join(backups, "c"), 403},
		{unconfigured, owner, filepath.Join(backups, "c"), 200},
	} {
		if status, _, text := c.shop.call(http.MethodPost, "/backup", `{"dir":"`+c.dir+`"}`, "Authorization", "Bearer "+c.token); status != c.status {
			t.Errorf("%s: %d, want %d: %s", c.dir, status, c.status, text)
		}
	}
	if _, err := config.LoadBackups(config.Settings{File: writeFile(t, "backups: here\n")}); err == nil {
		t.Error("a relative folder of backups is taken")
	}
}

// TestErase_FoldersForTheOwner: with a token from elsewhere nobody looks for texts in files of the machine.
func TestErase_FoldersForTheOwner(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	body := `{"subject":"ada@example.com","actor":"kim","exports":["` + t.TempDir() + `"]}`
	if status, _, text := s.call(http.MethodPost, "/erase", body); status != http.StatusForbidden || !strings.Contains(text, "owner_only") {
		t.Errorf("an operator: %d %s", status, text)
	}
	if status, _, text := s.call(http.MethodPost, "/erase", body, "Authorization", "Bearer "+owner); status == http.StatusForbidden {
		t.Errorf("the owner: %d %s", status, text)
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRebuild_WayBackBesideRebuildIfNeeded: a ledger that builds the views of its own version whenever they are another's does not go
// back to those, as it would undo that at once.
func TestRebuild_WayBackBesideRebuildIfNeeded(t *testing.T) {
	t.Parallel()
	for _, undone := range []bool{true, false} {
		s := openShop(t, func(c *config.Settings) { c.RebuildIfNeeded = undone })
		status, _, text := s.call(http.MethodPost, "/rebuild", `{"verb":"rollback","other_version":true}`)
		if refused := status == http.StatusBadRequest && strings.Contains(text, "--rebuild-if-needed"); refused != undone {
			t.Errorf("with --rebuild-if-needed=%t: %d %s", undone, status, text)
		}
	}
}
