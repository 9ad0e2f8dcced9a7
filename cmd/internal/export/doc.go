// Package export writes what the views hold into files for other programs: CSV, JSON lines, Parquet, XLSX,
// and the books as hledger and Beancount journals. Rows are streamed from one snapshot of the views in a
// fixed order, so memory does not grow with them and the same rows at the same place in the log are the
// same bytes on any machine. Beside the file stands a signed manifest, which says what is in it.
package export
