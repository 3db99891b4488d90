// Package e2e holds the tests of the whole: the real programs as processes, a real NATS server,
// a real PostgreSQL, and the data of real suppliers beside the repository.
package e2e
