package generate

func (g *generator) condition(v *visit) {
	r := &g.r
	long := v.visitKind == &visitKinds[checkUp] // only those find chronic ones
	end := v.start + moment(r.between(5, 30))*day
	stored := v.end
	clinical := coding{hl7 + "condition-clinical", "active", "Active"}
	if !long {
		clinical = coding{hl7 + "condition-clinical", "resolved", "Resolved"}
		stored = end
	}
	g.begin(condition, v.reason.id, g.after(stored))
	g.concept("clinicalStatus", clinical)
	g.concept("verificationStatus", coding{hl7 + "condition-ver-status", "confirmed", "Confirmed"})
	g.concepts("category", coding{hl7 + "condition-category", "encounter-diagnosis", "Encounter Diagnosis"})
	g.concept("severity", pick(r, severities))
	g.mainConcept("code", v.reason.snomed, v.reason.icd)
	g.subject("subject")
	g.at(v)
	g.dateTime("onsetDateTime", v.start)
	if !long {
		g.dateTime("abatementDateTime", end)
	}
	g.dateTime("recordedDate", v.end)
	g.reference("recorder", practitioner, v.doctor.id, v.doctor.name)
	g.remark(v.end)
	g.finish()
}

var severities = []coding{
	sct("255604002", "Mild (qualifier value)"), sct("6736007", "Moderate (severity modifier) (qualifier value)"),
	sct("6736007", "Moderate (severity modifier) (qualifier value)"), sct("24484000", "Severe (severity modifier) (qualifier value)"),
}

// ownPrice, in cents, is where a procedure is billed apart from the visit that it is part of.
const ownPrice = 15000

func (g *generator) procedure(v *visit) {
	list := procedures
	if g.p.age(v.start) < 18 {
		list = list[:len(list)-adultProcedures]
	}
	what := pick(&g.r, list)
	if what.cents >= ownPrice {
		v.services = append(v.services, what)
	}
	g.begin(procedure, g.next(procedure), g.after(v.end))
	g.str("status", "completed")
	g.mainConcept("code", what.code)
	g.subject("subject")
	g.at(v)
	g.period("performedPeriod", v.start+minute, v.start+moment(g.r.between(5, 11))*minute)
	g.array("performer")
	g.item()
	g.reference("actor", practitioner, v.doctor.id, v.doctor.name)
	g.reference("onBehalfOf", organization, v.site.id, v.site.name)
	g.end()
	g.endArray()
	g.reference("location", location, v.site.locations[v.location], v.site.locationNames[v.location])
	if v.reason.disorder != nil {
		g.references("reasonReference", condition, v.reason.id, v.reason.snomed.display)
	}
	g.remark(v.end)
	g.finish()
}

func (g *generator) medication(v *visit) {
	r := &g.r
	what := pick(r, v.reason.drugs)
	days, course := r.between(5, 14), coding{hl7 + "medicationrequest-course-of-therapy", "acute", "Short course (acute) therapy"}
	status, repeats := "completed", int64(0)
	if what.long {
		days, repeats = 30, r.between(1, 11)
		course = coding{hl7 + "medicationrequest-course-of-therapy", "continuous", "Continuous long term therapy"}
		if v.last {
			status = "active"
		}
	}
	self := g.next(medicationRequest)
	g.begin(medicationRequest, self, g.after(v.end))
	g.str("status", status)
	g.str("intent", "order")
	g.concepts("category", coding{hl7 + "medicationrequest-category", "community", "Community"})
	g.mainConcept("medicationCodeableConcept", what.code)
	g.subject("subject")
	g.at(v)
	g.dateTime("authoredOn", v.end)
	g.reference("requester", practitioner, v.doctor.id, v.doctor.name)
	g.references("reasonReference", condition, v.reason.id, v.reason.snomed.display)
	g.concept("courseOfTherapyType", course)
	g.remark(v.end)
	g.dosage(what)
	g.object("dispenseRequest")
	g.period("validityPeriod", v.end, v.end+moment(days*(repeats+1))*day)
	g.integer("numberOfRepeatsAllowed", repeats)
	g.doseQuantity("quantity", what, days*what.perDay)
	g.quantity("expectedSupplyDuration", days, 0, "days", "d")
	g.end()
	g.object("substitution")
	g.boolean("allowedBoolean", true)
	g.end()
	g.finish()
	if r.chance(60) {
		g.pharmacyClaim(v, self, what)
	}
}

func (g *generator) dosage(what drug) {
	g.array("dosageInstruction")
	g.item()
	g.integer("sequence", 1)
	g.startText("text")
	g.text("1 ")
	g.text(what.form.display)
	g.text([...]string{", once", ", twice", ", three times", ", four times"}[what.perDay-1])
	g.text(" a day")
	g.endText()
	g.object("timing")
	g.object("repeat")
	g.integer("frequency", what.perDay)
	g.integer("period", 1)
	g.str("periodUnit", "d")
	g.end()
	g.end()
	g.boolean("asNeededBoolean", !what.long)
	g.array("doseAndRate")
	g.item()
	g.concept("type", coding{hl7 + "dose-rate-type", "ordered", "Ordered"})
	g.doseQuantity("doseQuantity", what, 1)
	g.end()
	g.endArray()
	g.end()
	g.endArray()
}

// doseQuantity counts tablets and the like.
func (g *generator) doseQuantity(name string, what drug, n int64) {
	g.object(name)
	g.integer("value", n)
	g.str("unit", what.form.display)
	g.str("system", what.form.system)
	g.str("code", what.form.code)
	g.end()
}

// immunizations writes the yearly vaccine, and others more often for children.
func (g *generator) immunizations(v *visit) {
	if g.r.chance(60) {
		g.immunization(v, yearlyVaccine)
	}
	share, list := int64(15), adultVaccines
	if g.p.age(v.start) < 13 {
		share, list = 80, childVaccines
	}
	if g.r.chance(share) {
		g.immunization(v, pick(&g.r, list))
	}
}

func (g *generator) immunization(v *visit, vaccine coding) {
	r := &g.r
	g.begin(immunization, g.next(immunization), g.after(v.end))
	g.str("status", "completed")
	g.mainConcept("vaccineCode", vaccine)
	g.subject("patient")
	g.at(v)
	g.dateTime("occurrenceDateTime", v.start)
	g.boolean("primarySource", true)
	g.reference("location", location, v.site.locations[v.location], v.site.locationNames[v.location])
	g.object("manufacturer")
	g.str("display", pick(r, manufacturers))
	g.end()
	g.startText("lotNumber")
	g.text("L")
	g.number(r.between(10000, 99999))
	g.endText()
	g.date("expirationDate", v.start+moment(r.between(60, 500))*day)
	g.concept("site", coding{hl7 + "v3-ActSite", "LA", "left arm"})
	g.concept("route", coding{hl7 + "v3-RouteOfAdministration", "IM", "Injection, intramuscular"})
	g.quantity("doseQuantity", 5, 1, "mL", "mL")
	g.array("performer")
	g.item()
	g.concept("function", coding{hl7 + "v2-0443", "AP", "Administering Provider"})
	g.reference("actor", practitioner, v.doctor.id, v.doctor.name)
	g.end()
	g.endArray()
	g.remark(v.end)
	g.finish()
}

// allergies writes those of a quarter of the patients, each of them once, as of the first visit.
func (g *generator) allergies() {
	r := &g.r
	if !r.chance(25) {
		return
	}
	first, n := r.below(int64(len(allergens))), r.between(1, 4)
	for i := range n {
		g.allergy(&g.p.visits[0], allergens[(first+i)%int64(len(allergens))])
	}
}

func (g *generator) allergy(v *visit, what allergen) {
	r := &g.r
	severity := pick(r, []string{"mild", "mild", "moderate", "severe"})
	g.begin(allergyIntolerance, g.next(allergyIntolerance), g.after(v.end))
	g.narrative()
	g.markup("<p>")
	g.words(what.code.display)
	g.markup(", <i>")
	g.words(severity)
	g.markup("</i></p>")
	g.endNarrative()
	g.concept("clinicalStatus", coding{hl7 + "allergyintolerance-clinical", "active", "Active"})
	g.concept("verificationStatus", coding{hl7 + "allergyintolerance-verification", "confirmed", "Confirmed"})
	g.str("type", "allergy")
	g.strs("category", what.category)
	g.str("criticality", [...]string{"low", "high"}[index(severity == "severe")])
	g.mainConcept("code", what.code)
	g.subject("patient")
	g.dateTime("recordedDate", v.end)
	g.reference("recorder", practitioner, v.doctor.id, v.doctor.name)
	g.remark(v.end)
	g.array("reaction")
	g.item()
	g.concepts("manifestation", pick(r, manifestations))
	g.str("severity", severity)
	g.end()
	g.endArray()
	g.finish()
}
