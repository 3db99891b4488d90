// Package process is what the programs fetcher, parser and writer have in common: settings for
// the servers, for logs and for the address of health and metrics, and the opening and
// closing of all that in the right order. What a service does is in the service's package.
package process
