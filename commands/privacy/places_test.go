package privacy_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/order-ledger/order-ledger/commands/privacy"
	"github.com/order-ledger/order-ledger/eventstore"
	"github.com/order-ledger/order-ledger/eventstore/esdbstore"
	"github.com/order-ledger/order-ledger/eventstore/node"
	"github.com/order-ledger/order-ledger/eventstore/node/protocol"
)

// everywhere runs a test with keys in a folder, in streams of the embedded node, and in streams of an event store that is
// reached through gRPC.
func everywhere(t *testing.T, prefix string, test func(t *testing.T, dir string, keys privacy.KeyStore)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T, dir string) privacy.KeyStore{
		"Folder": func(_ *testing.T, dir string) privacy.KeyStore { return privacy.KeysInFolder(dir) },
		"StreamsInProcess": func(t *testing.T, dir string) privacy.KeyStore {
			return privacy.KeysIn(privacy.InStreams, dir, openNode(t))
		},
		"StreamsOverGRPC": func(t *testing.T, dir string) privacy.KeyStore {
			return privacy.KeysIn(privacy.InStreams, dir, overGRPC(t, openNode(t)))
		},
	} {
		t.Run(prefix+name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "keys")
			test(t, dir, open(t, dir))
		})
	}
}

func openNode(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Open(node.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func overGRPC(t *testing.T, n *node.Node) eventstore.Store {
	t.Helper()
	server, err := protocol.Start(t.Context(), protocol.Options{Node: n, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	s, err := esdbstore.Open(esdbstore.Options{ConnectionString: server.ConnectionString()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// sealMany seals a text under as many keys, of one sheet for up to 1,024.
func (v *vault) sealMany(t *testing.T, id string, n int) (tokens []string) {
	t.Helper()
	for range n {
		token, err := v.Seal(t.Context(), id, []byte(buyer))
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	return tokens
}

// TestPlaces_ErasuresAtOnce: two processes that destroy keys of one sheet at the same time both do.
func TestPlaces_ErasuresAtOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, "", func(t *testing.T, dir string, keys privacy.KeyStore) {
		v, id := newVaultOf(t, dir, keys), newID()
		tokens := v.sealMany(t, id, 24)
		other := &vault{dir: dir, keys: keys, master: v.master}
		other.open(t)
		var group sync.WaitGroup
		for i, token := range tokens[:20] {
			group.Go(func() {
				if err := []*vault{v, other}[i%2].Destroy(t.Context(), id, token); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for i, token := range tokens {
			want := privacy.Erased
			if i >= 20 {
				want = buyer
			}
			v.shows(t, id, token, want)
			other.shows(t, id, token, want)
		}
	})
}

// TestPlaces_Merge: a copy of keys that is older than an erasure brings the rest back and not what was erased, wherever
// they are; and an erased key is destroyed in a copy that is brought up to date.
func TestPlaces_Merge(t *testing.T) {
	t.Parallel()
	everywhere(t, "", func(t *testing.T, dir string, keys privacy.KeyStore) {
		v, id, copied := newVaultOf(t, dir, keys), newID(), privacy.KeysInFolder(t.TempDir())
		tokens := v.sealMany(t, id, 2)
		both := func(from, to privacy.KeyStore, want privacy.Merged) {
			t.Helper()
			if done, err := privacy.Merge(t.Context(), from, to); err != nil || done != want {
				t.Errorf("%+v, %v; want %+v", done, err, want)
			}
		}
		both(keys, copied, privacy.Merged{Copied: 1})
		if err := v.Destroy(t.Context(), id, tokens[0]); err != nil {
			t.Fatal(err)
		}
		both(copied, keys, privacy.Merged{})
		v.shows(t, id, tokens[0], privacy.Erased)
		both(keys, copied, privacy.Merged{Destroyed: 1})
		elsewhere := privacy.KeysIn(privacy.InStreams, t.TempDir(), openNode(t))
		both(copied, elsewhere, privacy.Merged{Copied: 1})
		restored := &vault{keys: elsewhere, master: v.master}
		restored.open(t)
		restored.shows(t, id, tokens[0], privacy.Erased)
		restored.shows(t, id, tokens[1], buyer)
	})
}

// breaking is a log whose appends fail from some one on, before or after they are done.
type breaking struct {
	eventstore.Store
	left atomic.Int64
	done bool
}

var errBroken = errors.New("cut off")

func (b *breaking) Append(ctx context.Context, stream string, expected eventstore.ExpectedRevision, events ...eventstore.EventData) (eventstore.AppendResult, error) {
	if b.left.Add(-1) >= 0 {
		return b.Store.Append(ctx, stream, expected, events...)
	}
	if b.done {
		if _, err := b.Store.Append(ctx, stream, expected, events...); err != nil {
			return eventstore.AppendResult{}, err
		}
	}
	return eventstore.AppendResult{}, errBroken
}

// TestMove brings keys from place to place, cut off at every step and begun again: at no moment is a key missing, none
// comes back, and in the end the source has none.
func TestMove(t *testing.T) {
	t.Parallel()
	for _, to := range []privacy.Place{privacy.InStreams, privacy.InFolder} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("To_%s_%v", to, done), func(t *testing.T) {
				t.Parallel()
				from := privacy.InFolder
				if to == from {
					from = privacy.InStreams
				}
				dir, log := t.TempDir(), &breaking{Store: openNode(t), done: done}
				log.left.Store(1 << 40)
				source := privacy.KeysIn(from, dir, log)
				v, id := newVaultOf(t, dir, source), newID()
				tokens := v.sealMany(t, id, 1100) // two sheets
				for _, token := range tokens[:2] {
					if err := v.Destroy(t.Context(), id, token); err != nil {
						t.Fatal(err)
					}
				}
				keys := privacy.KeysIn(to, dir, log)
				v.keys = keys
				for cut := int64(0); ; cut++ {
					log.left.Store(cut)
					_, err := keys.Move(t.Context(), to)
					log.left.Store(1 << 40)
					v.open(t)
					v.shows(t, id, tokens[0], privacy.Erased)
					v.shows(t, id, tokens[2], buyer)
					v.shows(t, id, tokens[1099], buyer)
					if err == nil {
						break
					}
					if !errors.Is(err, errBroken) || cut > 40 {
						t.Fatal(err)
					}
				}
				if held, err := keys.Holds(t.Context(), from); err != nil || held {
					t.Errorf("the source still holds keys: %v, %v", held, err)
				}
				if files := contents(t, dir); to == privacy.InStreams && len(files) > 0 {
					t.Errorf("%d bytes are left in the folder", len(files))
				}
				// And back again.
				if moved, err := keys.Move(t.Context(), from); err != nil || moved.Moved != 2 {
					t.Fatalf("%+v, %v", moved, err)
				}
				v.open(t)
				v.shows(t, id, tokens[1], privacy.Erased)
				v.shows(t, id, tokens[1099], buyer)
			})
		}
	}
}

// TestMove_WhileErasing: what is erased while keys are on their way is erased where they arrive.
func TestMove_WhileErasing(t *testing.T) {
	t.Parallel()
	log := openNode(t)
	for round := range 10 {
		to, from := privacy.InStreams, privacy.InFolder
		if round%2 == 1 {
			to, from = from, to
		}
		dir := t.TempDir()
		v, id := newVaultOf(t, dir, privacy.KeysIn(from, dir, log)), newID()
		tokens := v.sealMany(t, id, 40)
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := privacy.KeysIn(to, dir, log).Move(t.Context(), to); err != nil {
				t.Error(err)
			}
		})
		for _, token := range tokens {
			group.Go(func() {
				if err := v.Destroy(t.Context(), id, token); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, token := range tokens {
			v.shows(t, id, token, privacy.Erased)
		}
	}
}

// TestPlaces_BothAreRead: a ledger that makes its keys in one place opens and erases what was sealed in the other.
func TestPlaces_BothAreRead(t *testing.T) {
	t.Parallel()
	dir, log, id := t.TempDir(), openNode(t), newID()
	inFolder := newVaultOf(t, dir, privacy.KeysIn(privacy.InFolder, dir, log))
	one := inFolder.sealMany(t, id, 2)
	inStreams := &vault{dir: dir, keys: privacy.KeysIn(privacy.InStreams, dir, log), master: inFolder.master}
	inStreams.open(t)
	two := inStreams.sealMany(t, id, 2)
	for _, v := range []*vault{inFolder, inStreams} {
		for _, token := range append(one, two...) {
			v.shows(t, id, token, buyer)
		}
	}
	if err := errors.Join(inFolder.Destroy(t.Context(), id, two[0]), inStreams.Destroy(t.Context(), id, one[0])); err != nil {
		t.Fatal(err)
	}
	for _, v := range []*vault{inFolder, inStreams} {
		v.shows(t, id, one[0], privacy.Erased)
		v.shows(t, id, two[0], privacy.Erased)
	}
}

// TestPlaces_DestroyedInOne: of a sheet that is in both places, as a move that was killed leaves it, a key that is
// destroyed in one of them is shown to nobody.
func TestPlaces_DestroyedInOne(t *testing.T) {
	t.Parallel()
	dir, log, id := t.TempDir(), openNode(t), newID()
	v := newVaultOf(t, dir, privacy.KeysInFolder(dir))
	tokens := v.sealMany(t, id, 2)
	if _, err := privacy.Merge(t.Context(), v.keys, privacy.KeysIn(privacy.InStreams, t.TempDir(), log)); err != nil {
		t.Fatal(err)
	}
	if err := v.Destroy(t.Context(), id, tokens[0]); err != nil {
		t.Fatal(err)
	}
	for _, first := range []privacy.Place{privacy.InStreams, privacy.InFolder} {
		v.keys = privacy.KeysIn(first, dir, log)
		v.open(t)
		v.shows(t, id, tokens[0], privacy.Erased)
		v.shows(t, id, tokens[1], buyer)
	}
}

// TestStreams_OldVersionsAreHidden: a destroyed key's sheet is shown to nobody who reads its stream.
func TestStreams_OldVersionsAreHidden(t *testing.T) {
	t.Parallel()
	log, dir, id := openNode(t), t.TempDir(), newID()
	v := newVaultOf(t, dir, privacy.KeysIn(privacy.InStreams, dir, log))
	token := v.sealMany(t, id, 1)[0]
	sheet, _, _ := strings.Cut(strings.Split(token, ":")[2], ".")
	stream := "ledger-keys-" + sheet
	if !privacy.IsKeyStream(stream) || !privacy.IsKeyStream("$$"+stream) || privacy.IsKeyStream("order-"+sheet) {
		t.Error("streams of keys are not told from others")
	}
	if err := v.Destroy(t.Context(), id, token); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for e, err := range log.ReadStream(t.Context(), stream, eventstore.StreamRead{}) {
		if err != nil || e.Revision != 1 || !strings.Contains(string(e.Data), "this key was destroyed") {
			t.Errorf("revision %d, %v", e.Revision, err)
		}
		shown++
	}
	if shown != 1 {
		t.Errorf("%d versions are shown", shown)
	}
}

// TestSheet_Form2: a sheet of an earlier version is read, and what it destroyed stays so; what is destroyed now is
// destroyed for good.
func TestSheet_Form2(t *testing.T) {
	t.Parallel()
	const (
		name = "01M8KYMC576TQVY507KS4XAFZF"
		kept = "sealed:2:01M8KYMC576TQVY507KS4XAFZF.1023:A2_rtLwUEcf_Dmh2-GI1wZV_azMZFJ6bCogjRtBwZwtbvMMs_mExZ4o5BeEwFE3x3l582Uks25Qjk51Q3w"
		gone = "sealed:2:01M8KYMC576TQVY507KS4XAFZF.1022:T1nL81In4kYXTnSDq6iPXH4rvbBov4EfN5arCrJZgjd3XvkfOyM69JhWXd2APQTiasFBsmsI1uP5z_B49g"
	)
	f, err := os.Open(filepath.Join("testdata", "sheet-form2-"+name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	sheet, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{dir: t.TempDir(), master: make([]byte, privacy.KeyBytes)}
	path := filepath.Join(v.dir, "sheets", name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, sheet, 0o600)); err != nil {
		t.Fatal(err)
	}
	v.open(t)
	v.shows(t, oldID, kept, oldText)
	v.shows(t, oldID, gone, privacy.Erased)
	if err := v.Destroy(t.Context(), oldID, kept); err != nil {
		t.Fatal(err)
	}
	v.shows(t, oldID, kept, privacy.Erased)
}

// TestSheet_LostSector: a sector that the disk lost is not taken for destroyed keys: reading them fails, the copy keeps
// them, and what was destroyed is destroyed there all the same.
func TestSheet_LostSector(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(sector []byte){
		"Zeros":  func(sector []byte) { clear(sector) },
		"OneBit": func(sector []byte) { sector[100] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, id, copied := newVault(t), newID(), t.TempDir()
			tokens := v.sealMany(t, id, 20) // taken from the sheet's end
			merge(t, v.dir, copied)
			if err := v.Destroy(t.Context(), id, tokens[19]); err != nil {
				t.Fatal(err)
			}
			sheets, err := filepath.Glob(filepath.Join(v.dir, "sheets", "*"))
			if err != nil || len(sheets) != 1 {
				t.Fatal(sheets, err)
			}
			sheet, err := os.ReadFile(sheets[0])
			if err != nil {
				t.Fatal(err)
			}
			damage(sheet[len(sheet)-512:]) // the first 8 tokens'
			if err := os.WriteFile(sheets[0], sheet, 0o600); err != nil {
				t.Fatal(err)
			}
			lost := tokens[6] // at byte 64 of the sector
			if text, err := v.Show(t.Context(), id, lost); err == nil || errors.Is(err, privacy.ErrErased) {
				t.Errorf("a lost key shows %q, %v", text, err)
			}
			done, err := privacy.Merge(t.Context(), privacy.KeysInFolder(v.dir), privacy.KeysInFolder(copied))
			if err == nil || !strings.Contains(err.Error(), "damaged") || done.Destroyed != 1 {
				t.Errorf("%+v, %v; want one destroyed and the damage told", done, err)
			}
			elsewhere := &vault{dir: copied, master: v.master}
			elsewhere.open(t)
			elsewhere.shows(t, id, lost, buyer)
			elsewhere.shows(t, id, tokens[19], privacy.Erased)
			if moved, err := privacy.KeysIn(privacy.InStreams, v.dir, openNode(t)).Move(t.Context(), privacy.InStreams); err != nil || len(moved.Left) != 1 {
				t.Errorf("%+v, %v; want the damaged sheet left", moved, err)
			}
		})
	}
}

// TestErase_Receipt tells how many keys wait for a scavenge.
func TestErase_Receipt(t *testing.T) {
	t.Parallel()
	everywhere(t, "", func(t *testing.T, dir string, keys privacy.KeyStore) {
		l := newLedger(t)
		v := &vault{dir: dir, keys: keys, master: l.vault.master}
		v.open(t)
		l.sealed(t, v.sealMany(t, l.id, 1)[0])
		merge(t, l.vault.dir, dir) // the first token's key is in a folder
		l.eraser.Vault = v.Vault
		want := 1
		if keys == privacy.KeysInFolder(dir) {
			want = 0
		}
		if receipt, err := l.erase(t, "operator:kim"); err != nil || receipt.Tokens != 2 || receipt.Lost != 0 || receipt.Hidden != want {
			t.Errorf("%+v, %v; want %d hidden", receipt, err, want)
		}
	})
}

// TestErase_DamagedInStreams: what somebody else wrote in place of a sheet keeps nobody's data from being erased.
func TestErase_DamagedInStreams(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(sheet []byte) []byte{
		"NoSheet": func([]byte) []byte { return []byte("{}") },
		"Header":  func(sheet []byte) []byte { sheet[100] ^= 1; return sheet },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, l := openNode(t), newLedger(t)
			v := &vault{dir: t.TempDir(), master: l.vault.master}
			v.keys = privacy.KeysIn(privacy.InStreams, v.dir, log)
			v.open(t)
			token := v.sealMany(t, l.id, 1)[0]
			l.sealed(t, token)
			merge(t, l.vault.dir, v.dir) // the first token's key is in a folder
			name, _, _ := strings.Cut(strings.Split(token, ":")[2], ".")
			stream := "ledger-keys-" + name
			for e, err := range log.ReadStream(t.Context(), stream, eventstore.StreamRead{}) {
				if err != nil {
					t.Fatal(err)
				}
				other := eventstore.EventData{ID: uuid.New(), Type: "KeySheetStored", Data: spoil(e.Data)}
				if _, err := log.Append(t.Context(), stream, eventstore.Any, other); err != nil {
					t.Fatal(err)
				}
			}
			l.eraser.Vault = v.Vault
			if receipt, err := l.erase(t, "operator:kim"); err != nil || receipt.Tokens != 2 || receipt.Lost != 1 {
				t.Errorf("%+v, %v", receipt, err)
			}
		})
	}
}
