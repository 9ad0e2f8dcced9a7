package wire

// At returns the innermost value of the body that the byte at offset belongs to; for a byte of a
// member's name, or between values, that is the object or array around it. It is missing for a byte
// outside the document.
func (v Value) At(offset int) Value {
	if v.doc == nil {
		return Value{}
	}
	found := int32(-1)
	// Values begin in the order of the nodes, so the last that covers the byte is the innermost.
	for i := range v.doc.nodes {
		n := &v.doc.nodes[i]
		if int(n.start) > offset {
			break
		}
		if offset < int(n.end) {
			found = int32(i)
		}
	}
	if found < 0 {
		return Value{}
	}
	return Value{doc: v.doc, index: found}
}
