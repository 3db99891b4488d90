package generate

// claims writes the claim for a visit and the insurer's answer.
func (g *generator) claims(v *visit) {
	for i := range v.services { // prices vary, and a revision has others
		v.services[i].cents += v.services[i].cents*g.r.between(-20, 20)/100 + g.drift(900)
	}
	bill := bill{
		visit: v, claim: g.next(claim), typ: v.claimType, items: v.services,
		created: v.end + moment(g.r.between(1, 48))*hour,
	}
	g.claim(&bill)
	if g.r.chance(45) { // the others are still being settled, or were paid for in person
		g.benefit(&bill)
	}
}

// pharmacyClaim asks for payment of a medication; there is no further word on it.
func (g *generator) pharmacyClaim(v *visit, request id, what drug) {
	cents := g.r.between(600, 9000) + g.drift(300)
	bill := bill{
		visit: v, claim: g.next(claim), created: v.end + 2*hour, typ: pharmacy,
		items: []service{{what.code, cents}}, prescription: &request,
	}
	g.claim(&bill)
}

// bill is what a claim and the answer to it have in common.
type bill struct {
	*visit
	claim        id
	created      moment
	typ          coding
	items        []service
	prescription *id
}

func (b *bill) total() int64 {
	sum := int64(0)
	for _, item := range b.items {
		sum += item.cents
	}
	return sum
}

func (g *generator) claim(b *bill) {
	g.begin(claim, b.claim, g.after(b.created))
	g.array("identifier")
	g.identifierItem(coding{}, "claim", "C", g.r.between(100_000_000, 999_999_999))
	g.endArray()
	g.billHead(b)
	g.concept("priority", coding{hl7 + "processpriority", "normal", "Normal"})
	if b.prescription != nil {
		g.reference("prescription", medicationRequest, *b.prescription, "")
	}
	g.billParties(b)
	g.array("insurance")
	g.item()
	g.integer("sequence", 1)
	g.boolean("focal", true)
	g.object("coverage")
	g.object("identifier")
	g.str("system", ownIDs+"member")
	g.startText("value")
	g.number(g.p.member)
	g.endText()
	g.end()
	g.str("display", insurerNames[g.p.insurer])
	g.end()
	g.end()
	g.endArray()
	g.array("item")
	for i := range b.items {
		g.item()
		g.itemMembers(b, i)
		g.end()
	}
	g.endArray()
	g.money("total", b.total())
	g.finish()
}

// billHead writes what a claim and its answer both say about what is billed, and between whom;
// billParties where, who did it, and why.
func (g *generator) billHead(b *bill) {
	g.str("status", "active")
	g.concept("type", b.typ)
	g.str("use", "claim")
	g.subject("patient")
	g.period("billablePeriod", b.start, b.end)
	g.dateTime("created", b.created)
	g.reference("insurer", organization, g.insurerOf(g.p.insurer), insurerNames[g.p.insurer])
	g.reference("provider", organization, b.site.id, b.site.name)
}

func (g *generator) billParties(b *bill) {
	g.reference("facility", location, b.site.locations[b.location], "")
	g.array("careTeam")
	g.item()
	g.integer("sequence", 1)
	g.reference("provider", practitioner, b.doctor.id, b.doctor.name)
	g.concept("role", coding{hl7 + "claimcareteamrole", "primary", "Primary provider"})
	g.end()
	g.endArray()
	if b.reason.disorder != nil {
		g.array("diagnosis")
		g.item()
		g.integer("sequence", 1)
		g.reference("diagnosisReference", condition, b.reason.id, b.reason.snomed.display)
		g.concepts("type", coding{hl7 + "ex-diagnosistype", "principal", "Principal Diagnosis"})
		g.end()
		g.endArray()
	}
}

func (g *generator) itemMembers(b *bill, i int) {
	item := &b.items[i]
	g.integer("sequence", int64(i)+1)
	g.name("careTeamSequence")
	g.b = append(g.b, "[1]"...)
	if b.reason.disorder != nil {
		g.name("diagnosisSequence")
		g.b = append(g.b, "[1]"...)
	}
	g.concept("productOrService", item.code)
	g.date("servicedDate", b.start)
	g.object("quantity")
	g.integer("value", 1)
	g.end()
	g.money("net", item.cents)
	if i == 0 {
		g.references("encounter", encounter, b.id, "")
	}
}

// shares is how an item is paid, in cents.
type shares struct{ eligible, deductible, copay, benefit int64 }

func share(cents int64) shares {
	s := shares{eligible: cents * 85 / 100}
	s.deductible = s.eligible * 10 / 100
	s.copay = s.eligible * 15 / 100
	s.benefit = s.eligible - s.deductible - s.copay
	return s
}

func (g *generator) benefit(b *bill) {
	paid := b.created + moment(g.r.between(5, 14))*day
	g.begin(explanationOfBenefit, g.next(explanationOfBenefit), g.after(paid))
	g.coverage()
	g.array("identifier")
	g.identifierItem(coding{}, "benefit", "E", g.r.between(100_000_000, 999_999_999))
	g.endArray()
	g.billHead(b)
	g.reference("claim", claim, b.claim, "")
	g.str("outcome", "complete")
	g.str("disposition", "Settled by the terms of the plan.")
	g.object("payee")
	g.concept("type", coding{hl7 + "payeetype", "provider", "Provider"})
	g.end()
	g.billParties(b)
	g.array("insurance")
	g.item()
	g.boolean("focal", true)
	g.object("coverage")
	g.str("reference", "#coverage")
	g.str("display", insurerNames[g.p.insurer])
	g.end()
	g.end()
	g.endArray()

	var sum shares
	g.array("item")
	for i := range b.items {
		cents := b.items[i].cents
		s := share(cents)
		sum.eligible += s.eligible
		sum.benefit += s.benefit
		g.item()
		g.itemMembers(b, i)
		g.concept("category", coding{hl7 + "ex-benefitcategory", "1", "Medical Care"})
		g.concept("locationCodeableConcept", b.place)
		g.array("adjudication")
		g.adjudication("submitted", "Submitted Amount", cents)
		g.adjudication("eligible", "Eligible Amount", s.eligible)
		g.adjudication("deductible", "Deductible", s.deductible)
		g.adjudication("copay", "CoPay", s.copay)
		g.adjudication("benefit", "Benefit Amount", s.benefit)
		g.endArray()
		g.end()
	}
	g.endArray()
	g.array("total")
	g.adjudication("submitted", "Submitted Amount", b.total())
	g.adjudication("eligible", "Eligible Amount", sum.eligible)
	g.adjudication("benefit", "Benefit Amount", sum.benefit)
	g.endArray()
	g.object("payment")
	g.concept("type", coding{hl7 + "ex-paymenttype", "complete", "Complete"})
	g.date("date", paid)
	g.money("amount", sum.benefit)
	g.end()
	g.array("processNote")
	g.item()
	g.integer("number", 1)
	g.str("type", "print")
	g.str("text", "This is not a bill. Keep it with your records.")
	g.end()
	g.endArray()
	g.finish()
}

// coverage is contained: the plan as it was on that day.
func (g *generator) coverage() {
	g.array("contained")
	g.item()
	g.str("resourceType", "Coverage")
	g.str("id", "coverage")
	g.str("status", "active")
	g.object("type")
	g.str("text", planNames[g.p.member%int64(len(planNames))])
	g.end()
	g.startText("subscriberId")
	g.number(g.p.member)
	g.endText()
	g.subject("beneficiary")
	g.concept("relationship", coding{hl7 + "subscriber-relationship", "self", "Self"})
	g.references("payor", organization, g.insurerOf(g.p.insurer), insurerNames[g.p.insurer])
	g.end()
	g.endArray()
}

// adjudication is an amount with its category.
func (g *generator) adjudication(code, display string, cents int64) {
	g.item()
	g.concept("category", coding{hl7 + "adjudication", code, display})
	g.money("amount", cents)
	g.end()
}
