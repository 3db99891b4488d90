// Package client calls the HTTP interface of a stoker process.
package client
