package invariant

// survey tells of several constraints at once, where each would walk over much of a
// document.
type survey struct {
	run func(n *Node) faults
}

// faults are the constraints of a survey that are broken, a bit each.
type faults uint8

// found is the rule that a survey sets a fault for objects of a pattern.
func (s *survey) found(f faults, p pattern) rule {
	return rule{{pattern: p, survey: s, fault: f}}
}

// Faults of the entries of a Bundle.
const (
	entrySearch   faults = 1 << iota // bdl-2
	entryRequest                     // bdl-3
	entryResponse                    // bdl-4
	entryRepeated                    // bdl-7
)

// entries surveys the entries of a Bundle that says of which type it is. It walks over them
// once, and again only where a fullUrl is repeated.
func (p *pool) entries() *survey {
	return &survey{func(n *Node) faults {
		at := n.value("type")
		if at < 0 {
			return 0
		}
		return p.surveyEntries(n.Doc, text(n.Doc, at), n.value("entry"))
	}}
}

func (p *pool) surveyEntries(doc, bundleType []byte, at int) faults {
	is := func(t string) bool { return string(bundleType) == t }
	search, history := is("searchset"), is("history")
	request := history || is("batch") || is("transaction")
	response := history || is("batch-response") || is("transaction-response")
	m := p.get()
	defer p.put(m)
	var f faults
	for entry := range elements(doc, at) {
		var has struct{ request, response bool }
		for name, v := range members(doc, entry) {
			switch string(name) {
			case "search":
				if !search {
					f |= entrySearch
				}
			case "request":
				has.request = true
			case "response":
				has.response = true
			case "fullUrl":
				if !history {
					m.add(text(doc, v))
				}
			}
		}
		if has.request != request {
			f |= entryRequest
		}
		if has.response != response {
			f |= entryResponse
		}
	}
	if !m.distinct() && p.sameVersions(doc, at) {
		f |= entryRepeated
	}
	return f
}

// sameVersions reports whether there are entries that have both their fullUrl and the
// version of their resource in common.
func (p *pool) sameVersions(doc []byte, entries int) bool {
	m := p.get()
	defer p.put(m)
	for entry := range elements(doc, entries) {
		if url := member(doc, entry, "fullUrl"); url >= 0 {
			meta := member(doc, member(doc, entry, "resource"), "meta")
			m.addPair(text(doc, url), text(doc, member(doc, meta, "versionId")))
		}
	}
	return !m.distinct()
}
