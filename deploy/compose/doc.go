// Package compose holds nothing but the tests of the files in this folder. It is a module of
// its own so that what they need is no dependency of anything else.
package compose
