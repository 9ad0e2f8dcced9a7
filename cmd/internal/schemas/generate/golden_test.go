package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/order-ledger/order-ledger/domain/money"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestLedgerEvents_Golden: every type of event that is about the ledger itself has a golden file with all of its fields, is still
// written as it says, and still read from it without losing any. (Those of orders: domain/order, TestCodec.)
func TestLedgerEvents_Golden(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("testdata", "golden", "v1")
	seen := map[string]bool{}
	for _, e := range ledgerEvents() {
		seen[e.name] = true
		t.Run(e.name, func(t *testing.T) {
			full := reflect.New(e.kind)
			fill(t, full.Elem())
			written, err := json.Marshal(full.Interface())
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, e.name+".json")
			if *update {
				if err := os.WriteFile(path, append(written, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			golden, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("a type of event without a golden file: %v; -update writes it", err)
			}
			golden = bytes.TrimSpace(golden)
			if diff := cmp.Diff(string(golden), string(written)); diff != "" {
				t.Errorf("what is written differs from what was written before (-golden +now); fields are added, never renamed:\n%s", diff)
			}
			read := reflect.New(e.kind)
			decoder := json.NewDecoder(bytes.NewReader(golden))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(read.Interface()); err != nil {
				t.Fatalf("it is no longer read: %v", err)
			}
			again, err := json.Marshal(read.Interface())
			if err != nil || !bytes.Equal(again, golden) {
				t.Errorf("reading lost something, %v:\n%s\n%s", err, golden, again)
			}
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".json"); !seen[name] {
			t.Errorf("%s was written once, and is in no catalogue: it must be read for ever", name)
		}
	}
}

// fill sets every field that a type has to something that is not its zero value.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Date(2026, 10, 3, 12, 30, 0, 0, time.UTC)
		return
	case *money.Money:
		*x = money.MustParse("12.50", "EUR")
		return
	case *json.RawMessage:
		*x = json.RawMessage(`{"any":1}`)
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i))
			}
		}
	default:
		t.Fatalf("no example of a %s", v.Type())
	}
}
