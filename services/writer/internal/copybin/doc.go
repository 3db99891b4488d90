// Package copybin writes PostgreSQL's binary COPY format
// (https://www.postgresql.org/docs/15/sql-copy.html#id-1.9.3.55.9.4), the cheapest way in:
// no text to quote here or to parse there, and no allocation per row. It holds just the
// types that a resource's row has.
package copybin
