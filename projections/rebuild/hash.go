package rebuild

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// columnOf is a column of a table.
type columnOf struct {
	Name string
	// Type is as format_type shows it.
	Type    string
	NotNull bool
}

// hashFunctions hash one value with a seed, by its type: all 64 bits of the seed count, and equal values have equal hashes.
var hashFunctions = map[string]string{
	"bigint": "hashint8extended", "integer": "hashint4extended", "text": "hashtextextended", "uuid": "uuid_hash_extended",
}

// hashed is the value of a column that its rows' hash is of. Of some types that is the text which it is shown as: equal values may be
// shown in two ways, 12.5 and 12.50 for one, and PostgreSQL's hash of a numeric leaves out the sign, but a debit is no credit.
func (c *columnOf) hashed() columnOf {
	name := column(c.Name)
	switch c.Type {
	case "numeric", "jsonb":
		return columnOf{name + "::text", "text", c.NotNull}
	}
	return columnOf{name, c.Type, c.NotNull}
}

// hashOf is the SQL of the hash of a row and of the names of its columns. The hash of each value is the seed of the next, which
// takes a third less time than hashing a record. NULL has no hash: values that may be NULL are hashed beside each other, each
// with a seed of its own, and together are the first seed; so are, as a record, those of other types. A table has a key, so
// that some value comes after them.
func hashOf(columns []columnOf) string {
	names := fnv.New32a()
	var record []string
	var beside, chained []columnOf
	for i := range columns {
		_, _ = names.Write([]byte(columns[i].Name + "\n"))
		value := columns[i].hashed()
		switch {
		case hashFunctions[value.Type] == "":
			record = append(record, value.Name)
		case value.NotNull:
			chained = append(chained, value)
		default:
			beside = append(beside, value)
		}
	}
	hash := fmt.Sprintf("hash_record_extended(ROW(%s), %d)", strings.Join(record, ", "), names.Sum32())
	if len(record) == 0 {
		hash = fmt.Sprintf("%d::bigint", names.Sum32())
	}
	for i, value := range beside {
		hash = fmt.Sprintf("%s # coalesce(%s(%s, %d), %d)", hash, hashFunctions[value.Type], value.Name, i+1, i+1)
	}
	for _, value := range chained {
		hash = fmt.Sprintf("%s(%s, %s)", hashFunctions[value.Type], value.Name, hash)
	}
	return hash
}
