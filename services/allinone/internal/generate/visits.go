package generate

// visitKind is what a patient comes for.
type visitKind struct {
	share            int64 // in a hundred
	class            coding
	typ              service
	longest          moment // the shortest is a quarter of it
	location         int    // at the site
	place            coding // for claims
	claimType        coding
	noteType         coding
	hospital, urgent bool
}

var (
	ambulatory = coding{hl7 + "v3-ActCode", "AMB", "ambulatory"}
	inOffice   = coding{hl7 + "ex-serviceplace", "11", "Office"}
	inHospital = coding{hl7 + "ex-serviceplace", "21", "Inpatient Hospital"}

	professional  = coding{hl7 + "claim-type", "professional", "Professional"}
	institutional = coding{hl7 + "claim-type", "institutional", "Institutional"}
	pharmacy      = coding{hl7 + "claim-type", "pharmacy", "Pharmacy"}
)

// Positions in visitKinds.
const (
	checkUp = iota
	problem
	followUp
	emergency
	inpatient
)

var visitKinds = [...]visitKind{
	checkUp: {share: 42, class: ambulatory, typ: service{sct("185349003", "Encounter for check up (procedure)"), 13900}, longest: hour,
		location: 1, place: inOffice, claimType: professional, noteType: lnc("34117-2", "History and physical note")},
	problem: {share: 30, class: ambulatory, typ: service{sct("185347001", "Encounter for problem (procedure)"), 12100}, longest: hour,
		location: 1, place: inOffice, claimType: professional, noteType: lnc("51847-2", "Evaluation + Plan note")},
	followUp: {share: 17, class: ambulatory, typ: service{sct("390906007", "Follow-up encounter (procedure)"), 9700}, longest: 45 * minute,
		location: 1, place: inOffice, claimType: professional, noteType: lnc("11506-3", "Progress note")},
	emergency: {share: 7, class: coding{hl7 + "v3-ActCode", "EMER", "emergency"}, typ: service{sct("50849002", "Emergency room admission (procedure)"), 61500},
		longest: 8 * hour, location: 0, place: inHospital, claimType: institutional, noteType: lnc("34117-2", "History and physical note"), urgent: true},
	inpatient: {share: 4, class: coding{hl7 + "v3-ActCode", "IMP", "inpatient encounter"}, typ: service{sct("32485007", "Hospital admission (procedure)"), 284000},
		longest: 5 * day, location: 0, place: inHospital, claimType: institutional, noteType: lnc("18842-5", "Discharge summary"), hospital: true},
}

// visit is an encounter with what its resources have in common.
type visit struct {
	*visitKind
	id         id
	start, end moment
	site       site
	doctor     staff
	last       bool // of the patient's visits

	reason   diagnosis // its disorder is nil where there is none
	fresh    bool      // the reason was found at this visit
	services []service // for the claim
}

// planVisits lays the visits into equal parts of the time from 2010, or birth, to two months
// before the cutoff, so that everything about them can be dated before it.
func (g *generator) planVisits() {
	p, r := &g.p, &g.r
	from := max(dawn, p.birth+5*day)
	n := r.between(8, 28)
	slot := (cutoff - 60*day - from) / moment(n)
	for i := range n {
		at := from + moment(i)*slot + moment(r.below(int64(slot/2)))
		v := visit{visitKind: &visitKinds[visitKindOf(r.below(100))], id: g.next(encounter), last: i == n-1}
		v.site, v.doctor = p.home, p.doctor
		if r.chance(20) && p.home.index > 0 { // seen elsewhere, at a site that exists already
			v.site = g.siteOf(uint64(r.below(int64(p.home.index))))
			v.doctor = g.staffOf(v.site.index, r.below(staffPerSite))
		}
		// At a quarter of an hour in the working day, local time.
		v.start = at - at%day + 8*hour + moment(r.below(36))*15*minute - moment(g.zone)*hour
		v.end = v.start + moment(r.between(int64(v.longest/4), int64(v.longest)))
		v.end -= v.end % minute
		v.end += moment(g.drift(20)) * 6 // a revision corrects the time, by tenths of a minute
		p.visits = append(p.visits, v)
	}
}

func visitKindOf(percent int64) int {
	for i := range visitKinds {
		if percent -= visitKinds[i].share; percent < 0 {
			return i
		}
	}
	return checkUp
}

// visit writes everything about one visit.
func (g *generator) visit(v *visit) {
	r := &g.r
	g.diagnose(v)
	v.services = append(v.services[:0], v.typ)
	g.encounter(v)
	if v.fresh {
		g.condition(v)
	}
	g.vitals(v)
	for i := range panels {
		if r.chance(12) {
			g.panel(v, &panels[i])
			v.services = append(v.services, panels[i].service)
		}
	}
	for range r.between(0, 3) {
		g.procedure(v)
	}
	if v.reason.disorder != nil && len(v.reason.drugs) > 0 && r.chance(85) {
		g.medication(v)
	}
	if v.visitKind == &visitKinds[checkUp] {
		g.immunizations(v)
	}
	if r.chance(18) {
		g.document(v)
	}
	g.claims(v)
}

// diagnose decides what the visit is about.
func (g *generator) diagnose(v *visit) {
	p, r := &g.p, &g.r
	draw, found := r.below(100), r.below(int64(len(chronicDisorders)))
	switch v.visitKind {
	case &visitKinds[checkUp]:
		if draw >= 40 || p.age(v.start) < 30 || p.knownN == maxChronic {
			return
		}
		d := &chronicDisorders[found]
		for _, k := range p.known[:p.knownN] {
			if k.disorder == d {
				return
			}
		}
		v.reason, v.fresh = diagnosis{g.next(condition), d}, true
		p.known[p.knownN] = v.reason
		p.knownN++
	case &visitKinds[followUp]:
		if p.knownN > 0 {
			v.reason = p.known[draw%int64(p.knownN)]
		}
	default:
		v.reason = diagnosis{g.next(condition), &acuteDisorders[draw%int64(len(acuteDisorders))]}
		v.fresh = true
	}
}

func (g *generator) encounter(v *visit) {
	r := &g.r
	g.begin(encounter, v.id, g.after(v.end))
	g.array("identifier")
	g.identifierItem(coding{}, "visit", "V", r.between(1_000_000, 9_999_999))
	g.endArray()
	g.str("status", "finished")
	g.coding("class", v.class)
	g.concepts("type", v.typ.code)
	if v.urgent {
		g.concept("priority", coding{hl7 + "v3-ActPriority", "EM", "emergency"})
	}
	g.subject("subject")
	g.array("participant")
	g.item()
	g.concepts("type", coding{hl7 + "v3-ParticipationType", "PPRF", "primary performer"})
	g.reference("individual", practitioner, v.doctor.id, v.doctor.name)
	g.end()
	g.endArray()
	g.period("period", v.start, v.end)
	g.quantity("length", int64(v.end-v.start)/6, 1, "min", "min")
	if v.reason.disorder != nil {
		g.concepts("reasonCode", v.reason.snomed)
		g.array("diagnosis")
		g.item()
		g.reference("condition", condition, v.reason.id, v.reason.snomed.display)
		g.concept("use", coding{hl7 + "diagnosis-role", "CC", "Chief complaint"})
		g.integer("rank", 1)
		g.end()
		g.endArray()
	}
	if v.hospital {
		g.object("hospitalization")
		g.concept("admitSource", coding{hl7 + "admit-source", "emd", "From accident/emergency department"})
		g.concept("dischargeDisposition", coding{hl7 + "discharge-disposition", "home", "Home"})
		g.end()
	}
	g.array("location")
	g.item()
	g.reference("location", location, v.site.locations[v.location], v.site.locationNames[v.location])
	g.str("status", "completed")
	g.end()
	g.endArray()
	g.reference("serviceProvider", organization, v.site.id, v.site.name)
	g.finish()
}

// after is when something of that time was stored: within three days.
func (g *generator) after(m moment) moment { return m + moment(g.r.between(600, 3*int64(day))) }

// at refers to the visit, as most resources of it do.
func (g *generator) at(v *visit) { g.reference("encounter", encounter, v.id, "") }
