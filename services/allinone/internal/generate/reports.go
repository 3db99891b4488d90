package generate

import "strconv"

// maxTests is the number of tests in the largest panel.
const maxTests = 8

// panel writes the tests of a panel and the report that gathers them.
func (g *generator) panel(v *visit, what *panel) {
	var ids [maxTests]id
	var values [maxTests]int64
	issued := v.end + moment(g.r.between(2, 30))*hour
	for i := range what.tests {
		m := &what.tests[i]
		margin := (m.high - m.low) / 6
		ids[i] = g.next(observation)
		values[i] = g.r.between(m.low-margin, m.high+margin) + g.drift(max(1, margin/2))
		g.observation(v, ids[i], laboratory, m.code, issued)
		g.result(m, values[i])
		g.finish()
	}
	g.report(v, what, ids[:len(what.tests)], values[:], issued)
}

func (g *generator) report(v *visit, what *panel, ids []id, values []int64, issued moment) {
	g.begin(diagnosticReport, g.next(diagnosticReport), g.after(issued))
	g.narrative()
	g.markup("<p>")
	g.words(what.code.display)
	g.markup("</p><table>")
	for i := range ids {
		m := &what.tests[i]
		g.markup("<tr><td>")
		g.words(m.code.display)
		g.markup("</td><td>")
		g.b = appendDecimal(g.b, values[i], m.scale)
		g.words(" " + m.unit)
		g.markup("</td></tr>")
	}
	g.markup("</table>")
	g.endNarrative()
	g.array("identifier")
	g.identifierItem(accessionNumber, "accession", "A", g.r.between(10_000_000, 99_999_999))
	g.endArray()
	g.str("status", g.changing("final", "corrected"))
	g.concepts("category", coding{hl7 + "v2-0074", "LAB", "Laboratory"})
	g.mainConcept("code", what.code)
	g.subject("subject")
	g.at(v)
	g.dateTime("effectiveDateTime", v.start)
	g.dateTime("issued", issued)
	g.references("performer", organization, v.site.id, v.site.name)
	g.array("result")
	for i := range ids {
		g.referenceItem(observation, ids[i], what.tests[i].code.display)
	}
	g.endArray()
	g.str("conclusion", pick(&g.r, conclusions))
	g.finish()
}

// document writes a clinical note: mostly short, sometimes long.
func (g *generator) document(v *visit) {
	r := &g.r
	length := r.between(1_500, 5_000)
	if r.chance(15) {
		length = r.between(6_000, 13_500)
	}
	g.writeNote(v, int(length))
	g.begin(documentReference, g.next(documentReference), g.after(v.end))
	g.array("identifier")
	g.item()
	g.str("system", "urn:ietf:rfc:3986")
	g.startText("value")
	g.text("urn:uuid:")
	same := g.idOf(documentReference, g.p.index, 1<<32+g.counts[documentReference])
	g.b = append(g.b, same[:]...)
	g.endText()
	g.end()
	g.endArray()
	g.str("status", "current")
	g.str("docStatus", g.changing("final", "amended"))
	g.mainConcept("type", v.noteType)
	g.concepts("category", coding{"http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note"})
	g.subject("subject")
	g.dateTime("date", v.end)
	g.references("author", practitioner, v.doctor.id, v.doctor.name)
	g.reference("custodian", organization, v.site.id, v.site.name)
	g.array("content")
	g.item()
	g.object("attachment")
	g.str("contentType", "text/plain")
	g.str("language", "en-US")
	g.base64("data", g.note)
	g.integer("size", int64(len(g.note)))
	g.str("title", v.noteType.display)
	g.dateTime("creation", v.end)
	g.end()
	g.coding("format", coding{"http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem",
		"urn:ihe:iti:xds:2017:mimeTypeSufficient", "mimeType Sufficient"})
	g.end()
	g.endArray()
	g.object("context")
	g.references("encounter", encounter, v.id, "")
	g.period("period", v.start, v.end)
	g.end()
	g.finish()
}

// writeNote fills g.note with about so many bytes.
func (g *generator) writeNote(v *visit, length int) {
	r := &g.r
	b := append(g.note[:0], "# "...)
	b = append(b, v.noteType.display...)
	b = append(b, "\n\nPatient: "...)
	b = append(b, g.p.name...)
	b = append(b, ", "...)
	b = strconv.AppendInt(b, g.p.age(v.start), 10)
	b = append(b, " years\nSeen by: "...)
	b = append(b, v.doctor.name...)
	b = append(b, '\n')
	if v.reason.disorder != nil {
		b = append(b, "Reason: "...)
		b = append(b, v.reason.snomed.display...)
		b = append(b, '\n')
	}
	for section := 0; len(b) < length; section++ {
		b = append(b, "\n## "...)
		b = append(b, noteHeadings[section%len(noteHeadings)]...)
		b = append(b, "\n\n"...)
		for range r.between(3, 7) {
			b = append(b, pick(r, noteSentences)...)
			b = append(b, ' ')
		}
		b[len(b)-1] = '\n'
	}
	// Last, so that it does not change how often the loop above draws.
	if g.revision > 0 {
		b = append(b, "\nAddendum: "...)
		b = append(b, pick(&g.rev, remarks)...)
		b = append(b, '\n')
	}
	g.note = b
}
