package api

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// tellNulls says of members that may be null that they may: huma does so for all but objects.
func tellNulls(registry huma.Registry) {
	for name, schema := range registry.Map() {
		t := registry.TypeFromRef("#/components/schemas/" + name)
		for t != nil && t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t == nil || t.Kind() != reflect.Struct {
			continue
		}
		for _, field := range reflect.VisibleFields(t) {
			member, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			if s := schema.Properties[member]; s != nil && s.Ref != "" && field.Type.Kind() == reflect.Pointer && !strings.Contains(options, "omitempty") {
				schema.Properties[member] = &huma.Schema{AnyOf: []*huma.Schema{{Ref: s.Ref}, {Type: "null"}}}
			}
		}
	}
}
