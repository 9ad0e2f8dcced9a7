package simulate

import "strconv"

// writer appends JSON. Values are written by hand because the gateways' number
// formats (96.5, 96.50, 1250) are part of what is simulated.
type writer struct {
	b    []byte
	next bool // a comma is due before the next member or element
}

func (w *writer) key(name string) *writer {
	w.comma()
	w.b = append(strconv.AppendQuote(w.b, name), ':')
	w.next = false
	return w
}

func (w *writer) comma() {
	if w.next {
		w.b = append(w.b, ',')
	}
	w.next = true
}

func (w *writer) open(bracket byte) {
	w.comma()
	w.b = append(w.b, bracket)
	w.next = false
}

func (w *writer) close(bracket byte) {
	w.b = append(w.b, bracket)
	w.next = true
}

func (w *writer) object(name string) { w.key(name).open('{') }
func (w *writer) array(name string)  { w.key(name).open('[') }

func (w *writer) raw(value string) {
	w.comma()
	w.b = append(w.b, value...)
}

// text writes a string member; its value must be printable.
func (w *writer) text(name, value string) {
	w.key(name).comma()
	w.b = strconv.AppendQuote(w.b, value)
}

func (w *writer) literal(name, value string) { w.key(name).raw(value) }

func (w *writer) boolean(name string, value bool) { w.literal(name, strconv.FormatBool(value)) }

// second writes a Unix time, null for zero.
func (w *writer) second(name string, value int64) {
	if value == 0 {
		w.literal(name, "null")
		return
	}
	w.literal(name, strconv.FormatInt(value, 10))
}

func (w *writer) amount(name string, c currency, minor int64, trimmed bool) {
	w.key(name).comma()
	w.b = c.append(w.b, minor, trimmed)
}
