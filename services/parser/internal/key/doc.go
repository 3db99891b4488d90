// Package key says under which key a resource is stored: its type and id, and the id of one
// that comes without.
//
// An id made here depends on the supplier and on what names the resource in the delivery
// (see [Maker]), and on nothing else, so that the same delivery gives the same ids each
// time and two suppliers never share one. Functions are pure. Texts of issues say what was
// expected and show nothing of the resource.
package key
