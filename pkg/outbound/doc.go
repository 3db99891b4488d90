// Package outbound makes HTTP requests to servers of suppliers, who are not trusted: neither the URLs
// that they name nor what answers there.
//
// A [Policy] says what may be asked on behalf of a supplier. nil is the operator's own, who may ask
// for everything. Under a policy:
//
//   - Every URL, those of redirects included, lies under one of the policy's prefixes.
//   - No connection is made to an address that is not public: loopback, link-local, private, shared,
//     multicast, unspecified or reserved, or one where clouds serve metadata; in no notation, nor by
//     way of IPv6. That is decided on the address that is about to be connected to, so a name that
//     changes its address after a check gains nothing. Internal hosts are allowed by name.
//   - Proxies of the environment are not used, since behind one nobody could see that address.
//
// Always:
//
//   - A [Credential] is sent to URLs under its own prefix and to no other, and [Request.Secret] to
//     no other origin than that of the request's URL, wherever redirects lead.
//   - Every wait has a limit, and so has slowness: what brings less than the least rate
//     while it is waited for ends with [ErrSlow]. How long a transfer takes as a whole has no limit.
//   - TLS is 1.2 at least. No redirect leads from https to http.
//   - Errors hold no URL but its origin, no resolved address of an internal host, nothing that a
//     server sent, and no secret. What a policy refuses is a [Refusal], which says how to allow it.
//
// What it does not guarantee: that a public address belongs to who it seems to; TLS does. Answers
// are bytes as they came; decompressing and judging them is the caller's.
package outbound
