// Package cli is the command line `stoker`. Each command is a file. Commands that need the
// services talk to a running `stoker up` over HTTP, or start the same stack themselves on the
// data folder and talk to that one; they cannot tell the difference.
package cli
