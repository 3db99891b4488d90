package generate

// kind is a resource type of the dataset. The order is that of the summary.
type kind int

const (
	organization kind = iota
	location
	practitioner
	patient
	encounter
	condition
	observation
	diagnosticReport
	procedure
	medicationRequest
	immunization
	allergyIntolerance
	documentReference
	claim
	explanationOfBenefit
	kinds // their number
)

var kindNames = [kinds]string{
	"Organization", "Location", "Practitioner", "Patient", "Encounter", "Condition", "Observation",
	"DiagnosticReport", "Procedure", "MedicationRequest", "Immunization", "AllergyIntolerance",
	"DocumentReference", "Claim", "ExplanationOfBenefit",
}

func (k kind) String() string { return kindNames[k] }

// generator writes one resource at a time. Whatever chance decides is drawn from r, in the
// same order in every revision; only what a revision changes is drawn from rev.
type generator struct {
	encoder
	seed     uint64
	revision int
	emit     func(kind, []byte) error
	err      error // the first that emit returned; nothing is emitted after it

	r, rev random
	typ    kind // of the resource being written
	p      person
	counts [kinds]uint64 // resources of the patient so far, by kind
	note   []byte        // the text of a document, before it is encoded
}

// next is the id of the patient's next resource of a kind.
func (g *generator) next(k kind) id {
	g.counts[k]++
	return g.idOf(k, g.p.index, g.counts[k])
}

// begin starts a resource, with its id and meta. Later revisions are dated a day apart from
// the cutoff on.
func (g *generator) begin(k kind, self id, updated moment) {
	g.typ = k
	millis := g.r.below(1000)
	if g.revision > 0 {
		updated = cutoff + moment(g.revision-1)*day + moment(g.rev.below(int64(day)))
	}
	g.b = g.b[:0]
	g.item()
	g.str("resourceType", k.String())
	g.idElement(self)
	g.object("meta")
	g.startText("versionId")
	g.number(int64(g.revision) + 1)
	g.endText()
	g.instant("lastUpdated", updated, millis)
	g.array("security")
	g.codingItem(testData)
	g.endArray()
	g.end()
}

// finish ends the resource and hands it on.
func (g *generator) finish() {
	g.end()
	g.b = append(g.b, '\n')
	if g.err == nil {
		g.err = g.emit(g.typ, g.b)
	}
}

// drift is what a revision adds to a value: up to most in either direction and never 0, but
// 0 in the original.
func (g *generator) drift(most int64) int64 {
	if g.revision == 0 {
		return 0
	}
	d := g.rev.between(1, most)
	if g.rev.chance(50) {
		return -d
	}
	return d
}

// remark writes a note that a revision adds, in the types that have notes.
func (g *generator) remark(at moment) {
	if g.revision == 0 {
		return
	}
	g.array("note")
	g.item()
	g.dateTime("time", at)
	g.str("text", pick(&g.rev, remarks))
	g.end()
	g.endArray()
}

// changing is original, or what a revision has in its place.
func (g *generator) changing(original, revised string) string {
	if g.revision > 0 {
		return revised
	}
	return original
}
