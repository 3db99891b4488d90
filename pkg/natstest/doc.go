// Package natstest gives a test a NATS server with JetStream of its own. Tests only.
//
// A server takes a few milliseconds to start, keeps its streams in the test's temporary
// folder, and ends with the test. It does not sync to disk before it acknowledges: what a
// test needs of that, it gets from package natsd.
package natstest
