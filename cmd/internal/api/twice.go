package api

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// memberTwice finds a member that an object of a valid document names twice: readers disagree about which
// one counts. The path is that of the schema's errors: products[0].price.
func memberTwice(raw []byte) (path string, twice bool) {
	return twiceIn(json.NewDecoder(bytes.NewReader(raw)), "")
}

// twiceIn reads one value.
func twiceIn(d *json.Decoder, path string) (string, bool) {
	token, err := d.Token()
	if err != nil {
		return "", false
	}
	switch token {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			token, err := d.Token()
			name, ok := token.(string)
			if err != nil || !ok {
				return "", false
			}
			inner := name
			if path != "" {
				inner = path + "." + name
			}
			if seen[name] {
				return inner, true
			}
			seen[name] = true
			if found, twice := twiceIn(d, inner); twice {
				return found, true
			}
		}
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			if found, twice := twiceIn(d, path+"["+strconv.Itoa(i)+"]"); twice {
				return found, true
			}
		}
	default:
		return "", false
	}
	_, _ = d.Token() // the end of the object or array
	return "", false
}
