// Package stack runs Stoker in one process: a private NATS server and a private PostgreSQL in
// a data folder, or those that are named, the three services over them, and the HTTP
// interface. The services are the same code over the same JetStream as when they run
// apart; nothing here knows what they do.
//
// One process owns a data folder at a time. Everything is durable in it: a process that
// ends, in whatever way, is followed by one that goes on.
package stack
