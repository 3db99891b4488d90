// Package ledgertest gives a test a database with the ledger's schema, and a queue beside it. Tests only.
//
// The schema is made once for all tests, and copied for each ([pgtest.Prepared]).
package ledgertest
